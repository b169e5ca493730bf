"""A dialect that nobody needs, as a folder of its own: it shows what a dialect costs and what it may decide."""

from bridge.dialects.echo import errors, models, routes
from bridge.dialects.echo.settings import EchoSettings
from syncline_bridge.dialect import Dialect

DIALECT = Dialect(
    name="echo",
    about="Words come back.",
    prefixes=("/echo",),
    settings=EchoSettings,
    operations=routes.operations,
    credential_headers=("X-Echo-Key", "Authorization"),
    caller_of=routes.caller_of,
    answer_failure=errors.answer,
    request_headers=("X-Echo-Key", "Authorization"),
    response_headers=(routes.SHOUTED,),
    models=models.DOCUMENTED,
    security_schemes=routes.SECURITY_SCHEMES,
)
