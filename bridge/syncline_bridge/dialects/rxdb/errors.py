"""How this dialect words a failure: one line of plain text, as its clients take any JSON for what they asked for."""

from starlette.responses import Response

from syncline_bridge.edge.answers import with_failure_headers
from syncline_bridge.failure import Failure


def answer(failure: Failure) -> Response:
    """Render a failure."""
    line = " ".join(failure.message.split())
    return with_failure_headers(Response(line, failure.http_status, media_type="text/plain"), failure)


def outdated(collection: str, version: int, least: int) -> Failure:
    """Describe a client whose schema is too old."""
    message = f"schemaVersion: {version} of {collection} is no longer served; at least {least} is. Update the app."
    return Failure(426, "SCHEMA_OUTDATED", message, details={"field": "schemaVersion", "limit": least})
