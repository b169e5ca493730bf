"""Checkpoint sync: push changes, pull a type's changes since an opaque token (`/client/sync`)."""

from syncline_bridge.dialects.checkpoint_sync import errors, models, routes
from syncline_bridge.dialects.dialect import Dialect
from syncline_bridge.upstream import Upstream


def checkpoint_sync(upstream: Upstream) -> Dialect:
    """Build the dialect."""
    return Dialect(
        prefixes=("/client", "/v1/client"),
        router=routes.router(upstream),
        answer_failure=errors.answer,
        request_headers=("X-Api-Key", "Authorization", "X-Device-Id", "X-Request-Id", "Content-Type"),
        response_headers=("X-Request-Id", "Retry-After"),
        models=models.DOCUMENTED,
        security_schemes=routes.SECURITY_SCHEMES,
    )
