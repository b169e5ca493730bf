"""Session tokens: an operator issues them to try things out; apps get theirs from their own backend."""

from syncline_server.identity.session_tokens import issue_token
from syncline_server.store import catalogue
from syncline_server.store.catalogue import Catalogue


async def issue(
    looked_at: Catalogue,
    project: str,
    user: str,
    *,
    ttl_seconds: int,
    device: str | None = None,
    scope: str | None = None,
) -> str:
    """Return a session token. Raises NoSuchProject, RequestInvalid and StoreUnavailable."""
    secret = (await catalogue.project_named(looked_at, project)).session_secret
    return issue_token(secret, user, ttl_seconds=ttl_seconds, device_id=device, scope=scope)
