"""Mutation sync: one head per user, pulled after a time and pushed against it (`/v1/sync`)."""

from syncline_bridge.dialects.dialect import Dialect
from syncline_bridge.dialects.mutation_sync import errors, models, routes
from syncline_bridge.dialects.mutation_sync.routes import Limits
from syncline_bridge.upstream import Upstream

__all__ = ["Limits", "mutation_sync"]


def mutation_sync(upstream: Upstream, limits: Limits) -> Dialect:
    """Build the dialect."""
    return Dialect(
        prefixes=("/v1/sync", "/auth"),
        router=routes.router(upstream, limits),
        answer_failure=errors.answer,
        request_headers=("X-Auth-Token", "X-Client-Id", "Authorization", "X-Request-Id", "Content-Type"),
        response_headers=(routes.HEAD_HEADER, "X-Request-Id", "Retry-After"),
        models=models.DOCUMENTED,
        security_schemes=routes.SECURITY_SCHEMES,
    )
