"""How this dialect words a failure: its code for each HTTP status, its one body shape."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from starlette.responses import Response

from syncline_bridge.dialects.checkpoint_sync.models import Error, ErrorAnswer
from syncline_bridge.edge.answers import failure_answer
from syncline_bridge.failure import Failure

CODES: Mapping[int, str] = MappingProxyType(
    {
        400: "INVALID_INPUT",
        401: "UNAUTHORIZED",
        403: "FORBIDDEN",
        404: "NOT_FOUND",
        405: "METHOD_NOT_ALLOWED",
        408: "REQUEST_TIMEOUT",
        409: "CONFLICT",
        413: "PAYLOAD_TOO_LARGE",
        415: "UNSUPPORTED_ENCODING",
        429: "RATE_LIMITED",
        500: "SYNC_FAILED",
        503: "SYNC_FAILED",
    }
)


def answer(failure: Failure) -> Response:
    """Render a failure."""
    error = Error(CODES[failure.http_status], failure.message, failure.details or msgspec.UNSET)
    return failure_answer(ErrorAnswer(error), failure.http_status, failure)
