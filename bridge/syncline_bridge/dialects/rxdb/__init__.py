"""RxDB: its HTTP replication, pull, push and pullStream of a collection, as unmodified clients speak it (`/rxdb`)."""

from syncline_bridge.caller import SESSION_HEADERS, caller_of_session
from syncline_bridge.dialect import Dialect
from syncline_bridge.dialects.rxdb import errors, models, routes
from syncline_bridge.dialects.rxdb.settings import RxdbSettings

DIALECT = Dialect(
    name="rxdb",
    about="The HTTP replication of RxDB, for apps that are written with it: their collections are pulled, pushed and "
    "followed as they are. Where the primary key is not `id`, the path names it.",
    prefixes=("/rxdb",),
    settings=RxdbSettings,
    operations=routes.operations,
    credential_headers=SESSION_HEADERS,
    caller_of=caller_of_session,
    answer_failure=errors.answer,
    request_headers=("X-Api-Key", "Authorization", "X-Device-Id", "Last-Event-ID", "Cache-Control", routes.PUSHED_AT),
    response_headers=(),
    models=models.DOCUMENTED,
    security_schemes=routes.SECURITY_SCHEMES,
    with_credentials=True,  # replicateServer opens its stream so, and it needs none of the browser's
    max_body_bytes=lambda settings: settings.rxdb_max_body_bytes,
)
