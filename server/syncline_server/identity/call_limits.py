"""How many calls a user, or a server key's project, may make in a minute."""

import time
from collections.abc import Callable
from typing import Final

from syncline_server.identity.principal import Principal
from syncline_server.sync.errors import RateLimited

_WINDOW_SECONDS: Final = 60

CallerId = tuple[int, str | None]
"""A project, and its user (None: its server key)."""


class CallLimiter:
    """Counts calls over a sliding minute, in this process.

    A sliding window counter: what the minute before counted weighs as much as of it lies within the last 60 s. It is
    ours because a call may cost a microsecond (docs/decisions, call limits).
    """

    def __init__(self, calls_per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        """Allow so many calls a minute and user; 0: any number. `now` is a clock in s."""
        self._calls_per_minute = calls_per_minute
        self._now = now
        self._window = 0
        self._current: dict[CallerId, int] = {}
        self._previous: dict[CallerId, int] = {}

    def check(self, principal: Principal) -> None:
        """Count a call; raises RateLimited."""
        if not self._calls_per_minute:
            return
        caller = (principal.project_id, principal.user_id)
        window, elapsed = divmod(self._now(), _WINDOW_SECONDS)
        if window != self._window:
            self._move_to(int(window))
        previous, current = self._previous.get(caller, 0), self._current.get(caller, 0)
        if previous * (_WINDOW_SECONDS - elapsed) / _WINDOW_SECONDS + current < self._calls_per_minute:
            self._current[caller] = current + 1
            return
        raise RateLimited(
            scope="project" if principal.user_id is None else "user",
            window_seconds=_WINDOW_SECONDS,
            maximum=self._calls_per_minute,
            retry_after_seconds=max(1.0, self._seconds_until_one(previous, current, elapsed)),
        )

    def _move_to(self, window: int) -> None:
        self._previous = self._current if window == self._window + 1 else {}
        self._current = {}
        self._window = window

    def _seconds_until_one(self, previous: int, current: int, elapsed: float) -> float:
        """Return when there is room for a call again; s."""
        left = self._calls_per_minute - current
        if left > 0:
            return _WINDOW_SECONDS * (1 - left / previous) - elapsed
        # Not in this window; in the next, this one's calls weigh less from second to second.
        return _WINDOW_SECONDS - elapsed + _WINDOW_SECONDS * (1 - self._calls_per_minute / current)
