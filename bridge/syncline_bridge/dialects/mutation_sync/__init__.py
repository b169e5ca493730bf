"""Mutation sync: one head per user, pulled after a time and pushed against it (`/v1/sync`)."""

from syncline_bridge.dialect import Dialect
from syncline_bridge.dialects.mutation_sync import errors, models, routes
from syncline_bridge.dialects.mutation_sync.settings import MutationSyncSettings

DIALECT = Dialect(
    name="mutation sync",
    about="Bookmarks, collections, notes and reading sessions, with one head for each user: who pushes names the head "
    "that it has seen, and where that is behind, nothing is applied (409).",
    prefixes=("/v1/sync", "/auth"),
    settings=MutationSyncSettings,
    operations=routes.operations,
    credential_headers=("X-Client-Id", "X-Auth-Token", "Authorization", "X-User-Id"),
    caller_of=routes.caller_of,
    answer_failure=errors.answer,
    request_headers=("X-Auth-Token", "X-Client-Id", "Authorization", routes.KEY_HEADER),
    response_headers=(routes.HEAD_HEADER,),
    models=models.DOCUMENTED,
    security_schemes=routes.SECURITY_SCHEMES,
)
