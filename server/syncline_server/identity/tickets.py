"""Tickets: what a session gives to a reader that can send no headers."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cachetools import TTLCache

from syncline_server.identity.key_cache import KeyCache
from syncline_server.identity.principal import Principal
from syncline_server.identity.projects import KeyKind, ProjectKey, secret_id
from syncline_server.identity.scopes import Scopes
from syncline_server.identity.signatures import USE_CLAIM, key_id_in, signed, verified
from syncline_server.sync.errors import SessionExpired, SessionInvalid

_LIFE_SECONDS: Final = 60
_USE: Final = "stream"
_NOT_VALID: Final = "x-ticket: not a valid ticket"
_CLAIMS: Final = ("exp", "sub", "session", "device_known", "session_exp", "session_secret", "jti", USE_CLAIM)
_ID_BYTES: Final = 12
_MOST_USED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket just made."""

    text: str
    expires_at: int
    """Seconds since the Unix epoch."""


class Tickets:
    """Makes tickets and redeems them, each once.

    A ticket is a JWT of the project that names its key. Which ones were used, a process keeps to itself.
    """

    def __init__(self, keys: KeyCache) -> None:
        """Look keys up in `keys`."""
        self._keys = keys
        self._used: TTLCache[str, None] = TTLCache(_MOST_USED, _LIFE_SECONDS + 1)

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
        return _principal(claims, key)

    async def _read(self, text: str) -> tuple[dict[str, Any], ProjectKey]:
        key_id = key_id_in(text)
        key = await self._keys.of_id(key_id) if key_id else None
        if key is None:
            raise SessionInvalid(_NOT_VALID, cause="ticket")
        key.project.check_read()
        claims = _claims(text, key.project.session_secrets)
        if claims["jti"] in self._used:
            raise SessionInvalid("x-ticket: the ticket has been used; make a new one", cause="used")
        if all(secret_id(secret) != claims["session_secret"] for secret in key.project.session_secrets):
            raise SessionInvalid("x-ticket: the session's secret has been withdrawn", cause="withdrawn")
        return claims, key


def _principal(claims: Mapping[str, Any], key: ProjectKey) -> Principal:
    return Principal(
        project_id=key.project.id,
        kind=KeyKind.CLIENT,  # whatever the key can do beside, its holder gave away this session alone
        user_id=claims["sub"],
        session=claims["session"],
        device_known=claims["device_known"],
        scopes=Scopes(claims["scope"]),
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
