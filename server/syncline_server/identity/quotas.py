"""How much of a user is kept: a limit that an operator may set, held against the log once in a while."""

import time
from dataclasses import dataclass
from typing import Final, Protocol

from cachetools import TTLCache

from syncline_server.identity.principal import Principal
from syncline_server.sync.errors import NotesFull, RateLimited

_KNOWN_SECONDS: Final = 60
"""How long a count is good, with what was pushed since added to it."""
_AGAIN_SECONDS: Final = 5.0
"""A user over the limit is counted anew so seldom: it is his rows that are read."""
_KNOWN_USERS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Usage:
    """What is kept of a user, tombstones aside."""

    size_bytes: int
    types: int


class UsageSource(Protocol):
    """Counts what is kept."""

    async def usage_of(self, project_id: int, user_id: str) -> Usage:
        """Count what is kept of a user. Raises StoreUnavailable."""

    async def note_bytes_of(self, project_id: int, user_id: str) -> int:
        """Count the bytes of a user's notes, their names among them. Raises StoreUnavailable."""


@dataclass(slots=True)
class _Counted:
    usage: Usage
    at: float
    pushed_bytes: int = 0


class Quotas:
    """Refuses pushes of users of whom too much is kept; what deletes alone is always let in."""

    def __init__(self, source: UsageSource, max_bytes: int, max_types: int, max_note_bytes: int = 0) -> None:
        """Keep so many bytes and entity types of a user, and so many bytes of notes; 0: any number."""
        self._source = source
        self._max_bytes = max_bytes
        self._max_types = max_types
        self._max_note_bytes = max_note_bytes
        self._noted: TTLCache[tuple[int, str], _Counted] = TTLCache(_KNOWN_USERS, _KNOWN_SECONDS)
        self._counted: TTLCache[tuple[int, str], _Counted] = TTLCache(_KNOWN_USERS, _KNOWN_SECONDS)

    async def look(self, principal: Principal, size_bytes: int) -> None:
        """Find out what is kept of a user, before a push of so many bytes is checked. Raises StoreUnavailable."""
        if not self.knows(principal, size_bytes):
            caller = (principal.project_id, principal.user)
            self._counted[caller] = _Counted(await self._source.usage_of(*caller), time.monotonic())

    def knows(self, principal: Principal, size_bytes: int) -> bool:
        """Tell whether a push of so many bytes can be checked by what is known of its user."""
        if not (self._max_bytes or self._max_types):
            return True
        counted = self._counted.get((principal.project_id, principal.user))
        if counted is None:
            return False
        return not self._excess(counted, size_bytes) or time.monotonic() - counted.at <= _AGAIN_SECONDS

    def check(self, principal: Principal, size_bytes: int) -> None:
        """Let a push of so many bytes in, by what is known of its user. Raises RateLimited."""
        counted = (
            self._counted.get((principal.project_id, principal.user)) if self._max_bytes or self._max_types else None
        )
        if counted is None:
            return
        if excess := self._excess(counted, size_bytes):
            unit, maximum = excess
            raise RateLimited(
                scope="user",
                window_seconds=0,
                maximum=maximum,
                unit=unit,
                retry_after_seconds=float(_KNOWN_SECONDS),
            )
        counted.pushed_bytes += size_bytes

    async def check_notes(self, principal: Principal, size_bytes: int) -> None:
        """Let so many bytes of notes in (N6). Raises NotesFull and StoreUnavailable."""
        if not self._max_note_bytes:
            return
        caller = (principal.project_id, principal.user)
        noted = self._noted.get(caller)
        if noted is None or noted.pushed_bytes + size_bytes + noted.usage.size_bytes > self._max_note_bytes:
            noted = _Counted(Usage(await self._source.note_bytes_of(*caller), 0), time.monotonic())
            self._noted[caller] = noted
        if noted.usage.size_bytes + size_bytes > self._max_note_bytes:
            raise NotesFull(self._max_note_bytes)
        noted.pushed_bytes += size_bytes

    def _excess(self, counted: _Counted, size_bytes: int) -> tuple[str, int] | None:
        """Say what there is too much of, and the limit; None: nothing."""
        if self._max_bytes and counted.usage.size_bytes + counted.pushed_bytes + size_bytes > self._max_bytes:
            return "bytes kept", self._max_bytes
        if self._max_types and counted.usage.types > self._max_types:
            return "entity types kept", self._max_types
        return None
