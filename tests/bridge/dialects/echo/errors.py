"""How this dialect words a failure."""

from starlette.responses import Response

from bridge.dialects.echo.models import Silence
from syncline_bridge.edge.answers import failure_answer
from syncline_bridge.failure import Failure


def answer(failure: Failure) -> Response:
    """Render a failure."""
    return failure_answer(Silence(failure.message, failure.http_status), failure.http_status, failure)
