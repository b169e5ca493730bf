"""Session tokens: what an app's own backend says of a user, signed with the project's session secret."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from syncline_server.identity.ids import check_id
from syncline_server.identity.projects import secret_id
from syncline_server.identity.scopes import Scopes
from syncline_server.identity.signatures import USE_CLAIM, signed, verified
from syncline_server.sync.errors import RequestInvalid, SessionInvalid, TypeForbidden

_DEVICE_CLAIMS: Final = ("device_id", "sid")


@dataclass(frozen=True, slots=True)
class SessionClaims:
    """What a session token says."""

    user_id: str
    device: str
    """The device, or the sign-in; empty: not said."""
    scopes: Scopes
    expires_at: float
    """Seconds since the Unix epoch."""
    secret_id: str
    """Which of the project's secrets has signed it."""


def read_session_token(text: str, secrets: Sequence[str]) -> SessionClaims:
    """Return what a token says that one of these secrets has signed.

    Raises SessionInvalid, SessionExpired, and TypeForbidden where its scopes do not cover sync at all.
    """
    claims, secret = verified(text, secrets, require=("exp", "sub"))
    _check(claims)
    scopes = Scopes(claims.get("scope"))
    if not scopes.allow_sync:
        raise TypeForbidden("", "The session's scopes do not cover sync.")
    device = next((claims[claim] for claim in _DEVICE_CLAIMS if claims.get(claim)), "")
    return SessionClaims(claims["sub"], device, scopes, claims["exp"], secret_id(secret))


def issue_token(
    secret: str, user_id: str, *, ttl_seconds: int, device_id: str | None = None, scope: str | None = None
) -> str:
    """Return a session token of a project; raises RequestInvalid for malformed ids."""
    check_id("user", user_id)
    claims: dict[str, Any] = {"sub": user_id, "iat": int(time.time()), "exp": int(time.time()) + ttl_seconds}
    if device_id is not None:
        check_id("device", device_id)
        claims["device_id"] = device_id
    if scope is not None:
        claims["scope"] = scope
    return signed(claims, secret)


def _check(claims: Mapping[str, Any]) -> None:
    """Raise SessionInvalid, which names the claim, unless the claims are of the form of a session token's."""
    try:
        check_id("sub", claims["sub"])
        for claim in _DEVICE_CLAIMS:
            if claims.get(claim):
                check_id(claim, claims[claim])
    except RequestInvalid as error:
        raise SessionInvalid(f"authorization: the claim {error}", cause="claim", field=error.field) from None
    if not isinstance(claims.get("scope", ""), str):
        raise SessionInvalid("authorization: the claim scope: must be a string", cause="claim", field="scope")
    if not isinstance(claims["exp"], int | float):
        raise SessionInvalid("authorization: the claim exp: must be a number", cause="claim", field="exp")
    if USE_CLAIM in claims:
        raise SessionInvalid("authorization: a ticket is no session token", cause="ticket")
