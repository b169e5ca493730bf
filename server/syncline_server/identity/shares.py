"""How much of something each may hold at once: reserved before anybody waits, so that no crowd slips through."""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from syncline_server.sync.errors import TooManyOpen


class Shares:
    """Counts what is held: in all, and by each."""

    def __init__(self, what: str, *, each: int, in_all: int | None = None) -> None:
        """Let everybody hold `each` of `what`, a plural for people, and all together `in_all` (None: any number)."""
        self._what = what
        self._each = each
        self._in_all = in_all
        self._held: Counter[Hashable] = Counter()
        self._sum = 0

    @contextmanager
    def held(self, holder: Hashable) -> Iterator[None]:
        """Hold one for the time of a block. Raises TooManyOpen."""
        if self._held[holder] >= self._each:
            raise TooManyOpen(self._what, self._each)
        if self._in_all is not None and self._sum >= self._in_all:
            raise TooManyOpen(self._what, self._in_all)
        self._held[holder] += 1
        self._sum += 1
        try:
            yield
        finally:
            self._sum -= 1
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]
