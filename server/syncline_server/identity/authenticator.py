"""Who is calling: a project key, and where there is one a session token, become a principal."""

import math
import time
from hashlib import sha256
from typing import Final

from cachetools import TTLCache

from syncline import words
from syncline_server.identity.credentials import Credentials
from syncline_server.identity.devices import Devices, check_header
from syncline_server.identity.ids import check_id
from syncline_server.identity.key_cache import CACHE_SECONDS, REFUSAL_SECONDS, KeyCache
from syncline_server.identity.principal import Principal
from syncline_server.identity.projects import KeyKind
from syncline_server.identity.scopes import Scopes
from syncline_server.identity.session_tokens import read_session_token
from syncline_server.sync.errors import (
    IdentityError,
    ProjectDisabled,
    RequestInvalid,
    SessionInvalid,
    SyncError,
    TypeForbidden,
)

_CACHED_PRINCIPALS: Final = 20_000
_CACHED_REFUSALS: Final = 20_000
_NO_SCOPES: Final = Scopes(None)


class Authenticator:
    """Finds out who is calling, and keeps it for a while: most calls come from somebody who has just called."""

    def __init__(self, keys: KeyCache, devices: Devices) -> None:
        """Look keys up in `keys`, and hold sessions to `devices`."""
        self._keys = keys
        self._devices = devices
        self._principals: dict[Credentials, tuple[Principal, float]] = {}
        """Each principal with the time until which it is known, on the monotonic clock."""
        self._refusals: TTLCache[bytes, SyncError] = TTLCache(_CACHED_REFUSALS, REFUSAL_SECONDS)

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Return the principal of a call.

        Raises KeyInvalid, ProjectDisabled, SessionInvalid, SessionExpired, TypeForbidden, RequestInvalid (device id),
        RateLimited (devices), Overloaded and StoreUnavailable.
        """
        principal = self.known(credentials)
        if principal is None:
            name = _name_of(credentials)
            if (refusal := self._refusals.get(name)) is not None:
                raise _again(refusal)
            try:
                principal = await self._identify(credentials)
            except (IdentityError, TypeForbidden, ProjectDisabled) as error:
                self._refusals[name] = _again(error)
                raise
            self._remember(credentials, principal)
        return principal

    def known(self, credentials: Credentials) -> Principal | None:
        """Return the principal of credentials that were good a moment ago; None: `authenticate` finds out."""
        principal, until = self._principals.get(credentials, (None, 0.0))
        return principal if time.monotonic() < until else None

    def _remember(self, credentials: Credentials, principal: Principal) -> None:
        """Keep a principal for a while. By hand, as each call looks one up: a cache of cachetools takes 4 µs for it."""
        if len(self._principals) >= _CACHED_PRINCIPALS:
            self._principals.clear()
        left = math.inf if principal.expires_at is None else principal.expires_at - time.time()
        self._principals[credentials] = principal, time.monotonic() + min(CACHE_SECONDS, left)

    async def _identify(self, credentials: Credentials) -> Principal:
        key = await self._keys.of_text(credentials.api_key)
        key.project.check_read()
        token = credentials.bearer_token
        if not token and key.kind is KeyKind.CLIENT:
            raise _no_token(credentials.authorization)
        claims = read_session_token(token, key.project.session_secrets) if token else None
        named = _device_of_header(credentials.device_id)
        device = (claims.device if claims else "") or named
        if claims is not None:
            check_header(key.project, named, claims.device)
            self._devices.check_number(key.project.id, claims.user_id, device)
        return Principal(
            project_id=key.project.id,
            kind=key.kind,
            user_id=claims.user_id if claims else None,
            session=_session(device, token),
            device_known=bool(device),
            scopes=claims.scopes if claims else _NO_SCOPES,
            expires_at=claims.expires_at if claims else None,
            key=key,
            secret_id=claims.secret_id if claims else "",
        )


def _device_of_header(value: str) -> str:
    """Return the device that a header names; empty: none. Raises RequestInvalid."""
    try:
        device = words.text_of_header(value)
    except ValueError:
        raise RequestInvalid("x-device-id", "must be percent-encoded UTF-8 after UTF-8''") from None
    if device:
        check_id("x-device-id", device)
    return device


def _name_of(credentials: Credentials) -> bytes:
    """Return a short name of credentials: those of strangers may be large."""
    return sha256("\0".join(credentials).encode(errors="replace")).digest()


def _again(error: SyncError) -> SyncError:
    """Return the same error without what it brought along: a traceback keeps its whole call in memory."""
    again = type(error).__new__(type(error), *error.args)
    again.__dict__.update(error.__dict__)
    return again


def _no_token(authorization: str) -> SessionInvalid:
    if authorization and authorization.partition(" ")[0].lower() != "bearer":
        return SessionInvalid("authorization: the session token has to come as `Bearer <token>`", cause="scheme")
    return SessionInvalid("authorization: the session token is missing", cause="missing")


def _session(device: str, token: str) -> str:
    if device:
        return f"device:{device}"
    return f"token:{sha256(token.encode()).hexdigest()[:32]}" if token else ""
