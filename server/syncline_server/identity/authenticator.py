"""Who is speaking: project keys and session tokens become a principal."""

import asyncio
import hmac
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

import jwt
from cachetools import TTLCache

from syncline import words
from syncline_server.identity.projects import KeyKind, ProjectKey, Registry, hash_key, key_id_of
from syncline_server.identity.scopes import Scopes
from syncline_server.sync.changes import session_key
from syncline_server.sync.errors import (
    KeyInvalid,
    RequestInvalid,
    ServerKeyRequired,
    SessionExpired,
    SessionInvalid,
    TypeForbidden,
    UserForbidden,
)

ALGORITHM: Final = "HS256"
USE_CLAIM: Final = "syncline_use"
"""What a token of ours is for that is no session token."""
_CACHE_SECONDS: Final = 15
"""Of principals and of keys: a key that is withdrawn works at most twice as long."""
_CACHED_KEYS: Final = 1000
_CACHED_PRINCIPALS: Final = 20_000
_CREDENTIALS: Final = ("x-api-key", "authorization", "x-device-id", "x-ticket")
_NO_HASH: Final = bytes(32)

Metadata = Iterable[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is speaking, and for whom."""

    project_id: int
    kind: KeyKind
    user_id: str | None
    """None: a server key that has named nobody (yet)."""
    session: str
    """The device if known, else a hash of the session token; empty for a server key that names no device."""
    device_known: bool
    scopes: Scopes
    expires_at: float | None
    """End of the session, seconds since the Unix epoch."""
    key: ProjectKey | None = field(default=None, repr=False)
    """The key that was used."""

    @property
    def user(self) -> str:
        """The user; call `acting_for` first."""
        assert self.user_id is not None
        return self.user_id

    @property
    def session_key(self) -> str:
        """What the positions of this session are kept under (P9); empty: nothing is kept."""
        return session_key(self.project_id, self.user, self.session) if self.user_id else ""

    def acting_for(self, user_id: str) -> "Principal":
        """Return the principal for the user that a request names (empty: none); T4.

        Raises UserForbidden, or SessionInvalid when a user is needed and none is known.
        """
        if not user_id or user_id == self.user_id:
            if self.user_id is None:
                raise SessionInvalid("authorization: without a session token a server key has to name a user (user_id)")
            return self
        if self.kind is not KeyKind.SERVER:
            raise UserForbidden
        check_id("user_id", user_id)
        session = self.session if self.device_known else ""
        return replace(self, user_id=user_id, session=session, scopes=Scopes(None), expires_at=None)

    def acting_for_all(self) -> "Principal":
        """Return the principal for all users of its project; raises ServerKeyRequired."""
        if self.kind is not KeyKind.SERVER:
            raise ServerKeyRequired
        return replace(self, user_id=None, session="", scopes=Scopes(None), expires_at=None)

    def check_types(self, entity_types: Iterable[str]) -> None:
        """Raise TypeForbidden unless the session's scopes cover every one of these types."""
        for entity_type in entity_types:
            if not self.scopes.cover(entity_type):
                raise TypeForbidden(entity_type)


class Authenticator:
    """Finds out who is speaking from the metadata of a call."""

    def __init__(self, registry: Registry) -> None:
        """Look keys up in `registry`."""
        self._registry = registry
        self._principals: dict[tuple[str, str, str], tuple[Principal, float]] = {}
        """With the time until which each is known, on the monotonic clock."""
        self._keys: TTLCache[str, ProjectKey] = TTLCache(_CACHED_KEYS, _CACHE_SECONDS)
        self._looked_up: dict[str, asyncio.Task[ProjectKey | None]] = {}

    async def authenticate(self, metadata: Metadata | None) -> Principal:
        """Return the principal of a call.

        Raises KeyInvalid, SessionInvalid, SessionExpired, RequestInvalid (device id) and StoreUnavailable.
        """
        values = credentials_of(metadata)
        credentials = (
            values.get("x-api-key", ""),
            values.get("authorization", ""),
            values.get("x-device-id", ""),
        )
        principal, until = self._principals.get(credentials, (None, 0.0))
        if principal is None or time.monotonic() >= until:
            principal = await self._identify(*credentials)
            self._remember(credentials, principal)
        return principal

    def _remember(self, credentials: tuple[str, str, str], principal: Principal) -> None:
        """Keep a principal for a while. By hand, as each call looks one up: a cache of cachetools takes 4 µs for it."""
        if len(self._principals) >= _CACHED_PRINCIPALS:
            self._principals.clear()
        left = math.inf if principal.expires_at is None else principal.expires_at - time.time()
        self._principals[credentials] = principal, time.monotonic() + min(_CACHE_SECONDS, left)

    async def _identify(self, api_key: str, authorization: str, device_id: str) -> Principal:
        key = await self._find_key(api_key)
        claims: dict[str, Any] = {}
        token = _bearer(authorization)
        if token:
            claims = _claims(token, key.project.session_secret)
        elif key.kind is KeyKind.CLIENT:
            raise SessionInvalid
        device = claims.get("device_id") or claims.get("sid") or device_id
        if device:
            check_id("x-device-id", device)
        return Principal(
            project_id=key.project.id,
            kind=key.kind,
            user_id=claims.get("sub"),
            session=_session(device, token),
            device_known=bool(device),
            scopes=Scopes(claims.get("scope")),
            expires_at=claims.get("exp"),
            key=key,
        )

    async def _find_key(self, text: str) -> ProjectKey:
        key_id = key_id_of(text)
        key = await self._known_key(key_id) if key_id else None
        # As long for an unknown key as for a wrong one.
        if not hmac.compare_digest(hash_key(text), key.secret_hash if key else _NO_HASH) or key is None:
            raise KeyInvalid
        return key

    async def _known_key(self, key_id: str) -> ProjectKey | None:
        """Return a key; a crowd of sessions that comes with one at once looks it up once."""
        key = self._keys.get(key_id)
        if key is not None:
            return key
        lookup = self._looked_up.get(key_id)
        if lookup is None:
            lookup = self._looked_up[key_id] = asyncio.create_task(self._registry.find_key(key_id))
            lookup.add_done_callback(lambda done: self._take(key_id, done))
        return await asyncio.shield(lookup)

    def _take(self, key_id: str, lookup: "asyncio.Task[ProjectKey | None]") -> None:
        del self._looked_up[key_id]
        # The error, if there is one, is taken note of, since whoever asked may have gone.
        if not lookup.cancelled() and lookup.exception() is None and (key := lookup.result()) is not None:
            self._keys[key_id] = key


def credentials_of(metadata: Metadata | None) -> dict[str, str]:
    """Return the metadata of a call that is text. Raises RequestInvalid for a credential that was sent twice.

    Which of the two counts, a proxy in front could have decided otherwise.
    """
    pairs = tuple(metadata or ())
    values = {key: value for key, value in pairs if isinstance(value, str)}
    if len(values) != len(pairs):
        names = [key for key, value in pairs if isinstance(value, str)]
        for credential in _CREDENTIALS:
            if names.count(credential) > 1:
                raise RequestInvalid(credential, "must be sent once")
    return values


def check_id(field: str, value: object) -> None:
    """Raise RequestInvalid unless `value` is an id (words.id_problem)."""
    problem = words.id_problem(value) if isinstance(value, str) else "must be a string"
    if problem:
        raise RequestInvalid(field, problem)


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _session(device: str, token: str) -> str:
    if device:
        return f"device:{device}"
    return f"token:{sha256(token.encode()).hexdigest()[:32]}" if token else ""


def _claims(token: str, secret: str) -> dict[str, Any]:
    """Return the claims of a session token. The algorithm is pinned: the token's own word for it counts for nothing."""
    options: Any = {"require": ["exp", "sub"], "verify_aud": False, "verify_iat": False}
    try:
        claims: dict[str, Any] = jwt.decode(token, secret, algorithms=[ALGORITHM], options=options)
    except jwt.ExpiredSignatureError:
        raise SessionExpired from None
    except (jwt.InvalidTokenError, ValueError):
        raise SessionInvalid from None
    try:
        check_id("sub", claims["sub"])
        for claim in ("device_id", "sid"):
            if claims.get(claim):
                check_id(claim, claims[claim])
    except RequestInvalid as error:
        raise SessionInvalid(f"authorization: the claim {error}") from None
    if not isinstance(claims.get("scope", ""), str):
        raise SessionInvalid("authorization: the claim scope: must be a string")
    if not isinstance(claims["exp"], int | float):
        raise SessionInvalid("authorization: the claim exp: must be a number")
    if USE_CLAIM in claims:
        raise SessionInvalid  # a ticket, say, is no session token
    scopes = Scopes(claims.get("scope"))
    if not scopes.allow_sync:
        raise TypeForbidden("", "The session's scopes do not cover sync.")
    return claims


def issue_token(
    secret: str, user_id: str, *, ttl_seconds: int, device_id: str | None = None, scope: str | None = None
) -> str:
    """Return a session token of a project; raises RequestInvalid for ids out of form."""
    check_id("user", user_id)
    claims: dict[str, Any] = {"sub": user_id, "iat": int(time.time()), "exp": int(time.time()) + ttl_seconds}
    if device_id is not None:
        check_id("device", device_id)
        claims["device_id"] = device_id
    if scope is not None:
        claims["scope"] = scope
    return jwt.encode(claims, secret, algorithm=ALGORITHM)
