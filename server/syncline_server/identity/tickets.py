"""Tickets: what a session gives to a reader that can send no headers."""

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from cachetools import TTLCache

from syncline_server.identity.key_cache import KeyCache
from syncline_server.identity.principal import Principal
from syncline_server.identity.projects import KeyKind, ProjectKey, secret_id
from syncline_server.identity.scopes import Scopes
from syncline_server.identity.signatures import USE_CLAIM, key_id_in, signed, verified
from syncline_server.sync.errors import SessionExpired, SessionInvalid, StoreUnavailable

_LIFE_SECONDS: Final = 60
_USE: Final = "stream"
_NOT_VALID: Final = "x-ticket: not a valid ticket"
_CLAIMS: Final = ("exp", "sub", "session", "device_known", "session_exp", "session_secret", "jti", USE_CLAIM)
_ID_BYTES: Final = 12
_MOST_USED: Final = 100_000
_STORE_SECONDS: Final = 2.0
_US_PER_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket just made."""

    text: str
    expires_at: int
    """Seconds since the Unix epoch."""


class UsedTickets(Protocol):
    """Knows which tickets were used, whoever took them."""

    async def use(self, project_id: int, ticket_id: str, expires_at_us: int) -> bool:
        """Note that a ticket is used; False: it was. Forgotten after `expires_at_us`. Raises StoreUnavailable."""


class Tickets:
    """Makes tickets and redeems them, each once.

    A ticket is a JWT of the project that names its key. Which ones were used, the database knows for all processes;
    each knows those that it took itself, which has to do while nothing can be written.
    """

    def __init__(self, keys: KeyCache, used: UsedTickets) -> None:
        """Look keys up in `keys`, and keep in `used` what was used."""
        self._keys = keys
        self._used_anywhere = used
        self._used: TTLCache[str, None] = TTLCache(_MOST_USED, _LIFE_SECONDS + 1)

    def issue(self, principal: Principal, entity_types: Sequence[str]) -> Ticket:
        """Return a ticket for a session, which it never outlives, and for these types of it (empty: for all).

        Raises SessionInvalid where there is no session.
        """
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
            "types": list(entity_types) or None,
            "session_exp": principal.expires_at,
            "session_secret": principal.secret_id,
            "jti": secrets.token_hex(_ID_BYTES),
            "exp": expires_at,
        }
        return Ticket(signed(claims, key.project.session_secret, key_id=key.id), expires_at)

    async def check(self, text: str) -> Principal:
        """Return the principal of a ticket that stays unused. Raises what `redeem` raises."""
        claims, key = await self._read(text)
        return _principal(claims, key)

    async def redeem(self, text: str) -> Principal:
        """Return the principal of a ticket, which is used by that.

        Raises SessionInvalid, SessionExpired, Overloaded and StoreUnavailable.
        """
        claims, key = await self._read(text)
        self._used[claims["jti"]] = None
        if not await self._is_first(key.project.id, claims["jti"], claims["exp"]):
            raise _used()
        return _principal(claims, key)

    async def _is_first(self, project_id: int, ticket_id: str, expires_at: int) -> bool:
        """Tell whether no process has taken a ticket yet; while that cannot be stored, streams open all the same."""
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_STORE_SECONDS):
                return await self._used_anywhere.use(project_id, ticket_id, (expires_at + 1) * _US_PER_SECOND)
        return True

    async def _read(self, text: str) -> tuple[dict[str, Any], ProjectKey]:
        key_id = key_id_in(text)
        key = await self._keys.of_id(key_id) if key_id else None
        if key is None:
            raise SessionInvalid(_NOT_VALID, cause="ticket")
        key.project.check_read()
        claims = _claims(text, key.project.session_secrets)
        if claims["jti"] in self._used:
            raise _used()
        if all(secret_id(secret) != claims["session_secret"] for secret in key.project.session_secrets):
            raise SessionInvalid("x-ticket: the session's secret has been withdrawn", cause="withdrawn")
        return claims, key


def _used() -> SessionInvalid:
    return SessionInvalid("x-ticket: the ticket has been used; make a new one", cause="used")


def _principal(claims: Mapping[str, Any], key: ProjectKey) -> Principal:
    return Principal(
        project_id=key.project.id,
        kind=KeyKind.CLIENT,  # whatever the key can do beside, its holder gave away this session alone
        user_id=claims["sub"],
        session=claims["session"],
        device_known=claims["device_known"],
        scopes=Scopes(claims["scope"], claims.get("types")),
        expires_at=claims["session_exp"],
        key=key,
        secret_id=claims["session_secret"],
    )


def _claims(text: str, secrets_of_project: Sequence[str]) -> dict[str, Any]:
    try:
        claims, _ = verified(text, secrets_of_project, require=_CLAIMS)
    except SessionExpired:
        raise SessionExpired("x-ticket: the ticket has expired; make a new one", cause="expired") from None
    except SessionInvalid:
        raise SessionInvalid(_NOT_VALID, cause="ticket") from None
    if claims[USE_CLAIM] != _USE:
        raise SessionInvalid(_NOT_VALID, cause="ticket")
    return claims
