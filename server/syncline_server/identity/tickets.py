"""Tickets: what a session gives to a reader that can send no headers."""

import time
from dataclasses import dataclass
from typing import Any, Final

import jwt

from syncline_server.identity.authenticator import ALGORITHM, USE_CLAIM, Metadata, Principal, credentials_of
from syncline_server.identity.projects import KeyKind, Registry
from syncline_server.identity.scopes import Scopes
from syncline_server.sync.errors import SessionExpired, SessionInvalid

_LIFE_SECONDS: Final = 60
_USE: Final = "stream"
_NOT_VALID: Final = "x-ticket: not a valid ticket"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket just made."""

    text: str
    expires_at: int
    """Seconds since the Unix epoch."""


class Tickets:
    """Makes tickets and redeems them. A ticket is a JWT of the project that names its key; nothing is stored."""

    def __init__(self, registry: Registry) -> None:
        """Look keys up in `registry`."""
        self._registry = registry

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
        text = jwt.encode(claims, key.project.session_secret, algorithm=ALGORITHM, headers={"kid": key.id})
        return Ticket(text, expires_at)

    async def redeem(self, text: str) -> Principal:
        """Return the principal of a ticket. Raises SessionInvalid, SessionExpired and StoreUnavailable."""
        try:
            key_id = jwt.get_unverified_header(text).get("kid")
        except (jwt.InvalidTokenError, ValueError):
            raise SessionInvalid(_NOT_VALID) from None
        key = await self._registry.find_key(key_id) if isinstance(key_id, str) else None
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


def ticket_of(metadata: Metadata | None) -> str:
    """Return the ticket in the metadata of a call; empty: there is none. Raises RequestInvalid for two."""
    return credentials_of(metadata).get("x-ticket", "")


def _claims(text: str, secret: str) -> dict[str, Any]:
    options: Any = {"require": ["exp", "sub", "session", "device_known", "session_exp", USE_CLAIM]}
    try:
        claims: dict[str, Any] = jwt.decode(text, secret, algorithms=[ALGORITHM], options=options)
    except jwt.ExpiredSignatureError:
        raise SessionExpired("x-ticket: the ticket has expired") from None
    except (jwt.InvalidTokenError, ValueError):
        raise SessionInvalid(_NOT_VALID) from None
    if claims[USE_CLAIM] != _USE:
        raise SessionInvalid(_NOT_VALID)
    return claims
