"""Checkpoint sync: push changes, pull a type's changes since an opaque token (`/client/sync`)."""

from syncline_bridge.caller import SESSION_HEADERS, caller_of_session
from syncline_bridge.dialect import Dialect
from syncline_bridge.dialects.checkpoint_sync import errors, models, routes
from syncline_bridge.knobs import Knobs

DIALECT = Dialect(
    name="checkpoint sync",
    about="Entities of any type, each a JSON object under a type and an id. Clients push batches of changes, and pull "
    "what changed since a token, or follow it live. The server's version wins a conflict, and is told.",
    prefixes=("/client", "/v1/client"),
    settings=Knobs,
    operations=routes.operations,
    credential_headers=SESSION_HEADERS,
    caller_of=caller_of_session,
    answer_failure=errors.answer,
    request_headers=("X-Api-Key", "Authorization", "X-Device-Id", "Last-Event-ID"),
    response_headers=(),
    models=models.DOCUMENTED,
    security_schemes=routes.SECURITY_SCHEMES,
)
