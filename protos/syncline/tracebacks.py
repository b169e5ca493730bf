"""How many tracebacks go into a log: a few. What clients can cause, they can cause a thousand times a second."""

import time
from collections.abc import Callable
from typing import Final

_MOST: Final = 10
_WINDOW_SECONDS: Final = 60.0

LEFT_OUT: Final = f"left out: there were {_MOST} within a minute"


class TracebackLimit:
    """Counts tracebacks over a minute."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` is a clock in s."""
        self._now = now
        self._began = -_WINDOW_SECONDS
        self._count = 0

    def allows_one(self) -> bool:
        """Tell whether one more may be written, and count it."""
        if self._now() - self._began >= _WINDOW_SECONDS:
            self._began, self._count = self._now(), 0
        self._count += 1
        return self._count <= _MOST
