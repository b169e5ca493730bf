"""How much a user, or a server key's project, may do in a minute: calls, changes and bytes."""

import time
from collections.abc import Callable
from typing import Final

from syncline_server.identity.principal import Principal
from syncline_server.sync.errors import RateLimited

_WINDOW_SECONDS: Final = 60

CallerId = tuple[int, str | None]
"""A project, and its user (None: its server key)."""


class CallLimiter:
    """Counts what callers do over a sliding minute, in this process: calls that fail and streams, too.

    Each change of a push after its first one counts as a call. A push is let in whole while there is room for a call;
    what it is over the limit by is owed.
    """

    def __init__(
        self, calls_per_minute: int, push_bytes_per_minute: int = 0, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Allow so many calls and bytes a minute and user; 0: any number. `now` is a clock in s."""
        self._calls = _Budget(calls_per_minute, "calls", now)
        self._bytes = _Budget(push_bytes_per_minute, "bytes of pushes", now)

    def check(self, principal: Principal) -> None:
        """Count a call; raises RateLimited."""
        caller = (principal.project_id, principal.user_id)
        self._calls.check(caller)
        self._bytes.check(caller)
        self._calls.spend(caller, 1)

    def count_push(self, principal: Principal, changes: int, size_bytes: int) -> None:
        """Count what is in a push, whose call has been counted."""
        caller = (principal.project_id, principal.user_id)
        if changes > 1:
            self._calls.spend(caller, changes - 1)
        self._bytes.spend(caller, size_bytes)


class _Budget:
    """A sliding window counter: what the minute before counted weighs as much as of it lies within the last 60 s.

    It is ours because a call may cost a microsecond (docs/decisions, call limits).
    """

    def __init__(self, limit: int, unit: str, now: Callable[[], float]) -> None:
        self._limit = limit
        self._unit = unit
        self._now = now
        self._window = 0
        self._current: dict[CallerId, int] = {}
        self._previous: dict[CallerId, int] = {}

    def check(self, caller: CallerId) -> None:
        """Raise RateLimited unless there is room."""
        if not self._limit:
            return
        elapsed = self._move()
        previous, current = self._previous.get(caller, 0), self._current.get(caller, 0)
        if previous * (_WINDOW_SECONDS - elapsed) / _WINDOW_SECONDS + current < self._limit:
            return
        raise RateLimited(
            scope="project" if caller[1] is None else "user",
            window_seconds=_WINDOW_SECONDS,
            maximum=self._limit,
            unit=self._unit,
            retry_after_seconds=max(1.0, self._seconds_until_one(previous, current, elapsed)),
        )

    def spend(self, caller: CallerId, amount: int) -> None:
        """Count."""
        if self._limit:
            self._move()
            self._current[caller] = self._current.get(caller, 0) + amount

    def _move(self) -> float:
        """Begin a window when it is time for one; returns how far into it we are; s."""
        window, elapsed = divmod(self._now(), _WINDOW_SECONDS)
        if window != self._window:
            self._previous = self._current if window == self._window + 1 else {}
            self._current = {}
            self._window = int(window)
        return elapsed

    def _seconds_until_one(self, previous: int, current: int, elapsed: float) -> float:
        """Return when there is room again; s."""
        left = self._limit - current
        if left > 0:
            return _WINDOW_SECONDS * (1 - left / previous) - elapsed
        # Not in this window; in the next, this one's calls weigh less from second to second.
        return _WINDOW_SECONDS - elapsed + _WINDOW_SECONDS * (1 - self._limit / current)
