"""What a failed request means for its caller, before any dialect has put it into its own words."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Failure:
    """Say why a request failed; a dialect renders it.

    `reason` is an ErrorReason of the contract without its prefix, the name of a gRPC status that came without one, or
    one of the reasons below, which the bridge itself gives. `message` and `details` are safe to show.
    """

    http_status: int
    reason: str
    message: str
    retry_after_seconds: int | None = None
    details: Mapping[str, int | str] = field(default_factory=dict)


class RefusedError(Exception):
    """End a request with a failure; raised anywhere below the edge, answered at the edge in the path's dialect."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


_MAX_QUOTED = 50

MALFORMED = Failure(400, "MALFORMED", "This is not an HTTP request.")
NOT_FOUND = Failure(404, "PATH_UNKNOWN", "There is nothing at this path.")
METHOD_NOT_ALLOWED = Failure(405, "METHOD_NOT_ALLOWED", "This path does not take that method.")
BODY_TOO_SLOW = Failure(408, "BODY_TOO_SLOW", "The body did not arrive in time.")
DEFECT = Failure(500, "INTERNAL", "Sync failed. The request id tells the operator more.")
OVERLOADED = Failure(503, "OVERLOADED", "Too many requests are in progress. Try again soon.", retry_after_seconds=1)
STOPPING = Failure(503, "DRAINING", "The server is restarting. Try again soon.", retry_after_seconds=1)


def invalid(message: str, **details: int | str) -> Failure:
    """Describe a request that is malformed; the message names the place."""
    return Failure(400, "REQUEST_INVALID", message, details=details)


def not_json(problem: str, **details: int | str) -> Failure:
    """Describe a body that is no strict JSON."""
    return Failure(400, "BODY_NOT_JSON", f"The body is not valid JSON: {problem}.", details=details)


def origin_refused(origin: str) -> Failure:
    """Describe a page of an origin that may not call."""
    message = f"browser origin {origin} refused: set SYNCLINE_CORS_ORIGINS"
    return Failure(403, "ORIGIN_REFUSED", message, details={"field": "Origin"})


def encoding_unknown(encoding: str) -> Failure:
    """Describe a body that is compressed in a way that is not known here."""
    message = f"Content-Encoding: {encoding[:_MAX_QUOTED]} is not taken; send gzip, or the body as it is."
    return Failure(415, "ENCODING_UNKNOWN", message, details={"field": "Content-Encoding"})


def body_too_large(limit_bytes: int) -> Failure:
    """Describe a body over the limit."""
    message = f"The body is larger than {limit_bytes} bytes."
    return Failure(413, "BODY_TOO_LARGE", message, details={"limit_bytes": limit_bytes})
