"""Checkpoint sync: push changes, pull a type's changes since an opaque token (`/client/sync`)."""

from syncline_bridge.dialects.checkpoint_sync import errors, models, routes
from syncline_bridge.dialects.dialect import Dialect
from syncline_bridge.edge.event_stream import EventStreams
from syncline_bridge.upstream import Upstream


def checkpoint_sync(upstream: Upstream, streams: EventStreams) -> Dialect:
    """Build the dialect."""
    return Dialect(
        prefixes=("/client", "/v1/client"),
        router=routes.router(upstream, streams),
        answer_failure=errors.answer,
        request_headers=("X-Api-Key", "Authorization", "X-Device-Id", "X-Request-Id", "Last-Event-ID", "Content-Type"),
        response_headers=("X-Request-Id", "Retry-After"),
        models=models.DOCUMENTED,
        security_schemes=routes.SECURITY_SCHEMES,
    )
