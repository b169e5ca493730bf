"""Tickets: what a session gives to a reader that can send no headers."""

import time
from dataclasses import dataclass
from typing import Any, Final

from syncline_server.identity.key_cache import KeyCache
from syncline_server.identity.principal import Principal
from syncline_server.identity.projects import KeyKind
from syncline_server.identity.scopes import Scopes
from syncline_server.identity.signatures import USE_CLAIM, key_id_in, signed, verified
from syncline_server.sync.errors import SessionExpired, SessionInvalid

_LIFE_SECONDS: Final = 60
_USE: Final = "stream"
_NOT_VALID: Final = "x-ticket: not a valid ticket"
_CLAIMS: Final = ("exp", "sub", "session", "device_known", "session_exp", USE_CLAIM)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket just made."""

    text: str
    expires_at: int
    """Seconds since the Unix epoch."""


class Tickets:
    """Makes tickets and redeems them. A ticket is a JWT of the project that names its key; nothing is stored."""

    def __init__(self, keys: KeyCache) -> None:
        """Look keys up in `keys`."""
        self._keys = keys

    def issue(self, principal: Principal) -> Ticket:
        """Return a ticket for a session; it never outlives it. Raises SessionInvalid where there is none."""
        key = principal.key
        if key is None or principal.expires_at is None:
            raise SessionInvalid("authorization: a ticket is made for a session")
        expires_at = int(min(time.time() + _LIFE_SECONDS, principal.expires_at))
        claims = {
            USE_CLAIM: _USE,
            "sub": principal.user,
            "session": principal.session,
            "device_known": principal.device_known,
            "scope": principal.scopes.claim,
            "session_exp": principal.expires_at,
            "exp": expires_at,
        }
        return Ticket(signed(claims, key.project.session_secret, key_id=key.id), expires_at)

    async def redeem(self, text: str) -> Principal:
        """Return the principal of a ticket. Raises SessionInvalid, SessionExpired and StoreUnavailable."""
        key_id = key_id_in(text)
        key = await self._keys.of_id(key_id) if key_id else None
        if key is None:
            raise SessionInvalid(_NOT_VALID)
        claims = _claims(text, key.project.session_secret)
        return Principal(
            project_id=key.project.id,
            kind=KeyKind.CLIENT,  # whatever the key can do beside, its holder gave away this session alone
            user_id=claims["sub"],
            session=claims["session"],
            device_known=claims["device_known"],
            scopes=Scopes(claims["scope"]),
            expires_at=claims["session_exp"],
        )


def _claims(text: str, secret: str) -> dict[str, Any]:
    try:
        claims = verified(text, (secret,), require=_CLAIMS)
    except SessionExpired:
        raise SessionExpired("x-ticket: the ticket has expired") from None
    except SessionInvalid:
        raise SessionInvalid(_NOT_VALID) from None
    if claims[USE_CLAIM] != _USE:
        raise SessionInvalid(_NOT_VALID)
    return claims
