"""What time it is for a client: by its own clock, corrected by what the server has told last."""

import re
import time
from collections.abc import Iterable
from typing import Any, Final

from syncline import words

_MATCH_MS: Final = re.compile(r"[0-9]{1,15}").fullmatch
_A_LITTLE_US: Final = 1_000_000


class Clock:
    """Tells when changes are made that say nothing of it themselves.

    A device's own clock would not do. Where it is behind, the answer to a change just read would lose to that change;
    without a timestamp a push sent again could win over what was pushed since.
    """

    def __init__(self) -> None:
        self._behind_us: int | None = None
        self._seen_us = 0

    def hear(self, metadata: Iterable[Any] | None) -> None:
        """Take in the server's time, where the metadata of an answer has it."""
        told = dict(metadata or ()).get(words.SERVER_TIME, "")
        if isinstance(told, str) and _MATCH_MS(told):
            self._behind_us = int(told) * 1000 - _own_us()

    def see(self, revisions: Iterable[int]) -> None:
        """Take in the revisions of what was read; a place in the log is about the time of its commit."""
        self._seen_us = max(self._seen_us, *revisions, 0)

    def now_us(self) -> int:
        """Return the time, µs since the Unix epoch: after the commits of all that was read.

        A log that is far ahead of the server's time tells no time.
        """
        if self._behind_us is None:
            return max(_own_us(), self._seen_us)
        now_us = _own_us() + self._behind_us
        return self._seen_us if now_us < self._seen_us <= now_us + _A_LITTLE_US else now_us


def _own_us() -> int:
    return time.time_ns() // 1000
