"""A page for a reader that may have it all: news first, some of the newest out of turn, then the circle (P10)."""

import random
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from syncline_server.sync.circle import Checkpoint, left_after
from syncline_server.sync.reading import PageSize, Reading
from syncline_server.sync.store import StoredCircle, StoredRow

_KEPT_PLACES: Final = 16_384


@dataclass(frozen=True, slots=True)
class Round:
    """What of a circle a page holds."""

    news: Sequence[StoredRow]
    newest: Sequence[StoredRow]
    circle: Sequence[StoredRow]
    news_cut: bool
    left: tuple[int, int, int]
    """What is left of the circle: (after, end, rest); all 0: nothing."""

    @property
    def rows(self) -> Sequence[StoredRow]:
        """Return all that is on the page, in its order."""
        return (*self.news, *self.newest, *self.circle)


def fill(stored: StoredCircle, asked: Checkpoint, size: PageSize) -> Round:
    """Choose what comes onto a page; `asked` is the reader's checkpoint, its circle begun.

    The newest get a quarter of the room that the news leave, of rows and of bytes, so that the circle always gets on.
    """
    news = _fitting(stored.news, size.limit, size.max_bytes, always_one=True)
    news_cut = len(news) < len(stored.news)
    limit, max_bytes = size.limit - len(news), size.max_bytes - _bytes(news)
    if news_cut or not limit:
        return Round(news, (), (), news_cut, _left(stored.circle, (), asked))
    newest = _fitting(stored.newest, limit // 4, max_bytes // 4, always_one=False)
    left = _without(stored.circle, newest)
    circle = _fitting(left, limit - len(newest), max_bytes - _bytes(newest), always_one=False)
    if left and not circle:
        # The next version is too large to share the page with the newest.
        newest, left = [], list(stored.circle)
        circle = _fitting(left, limit, max_bytes, always_one=not news)
    return Round(news, newest[::-1], circle, news_cut, _left(left, circle, asked))


def _without(rows: Sequence[StoredRow], others: Sequence[StoredRow]) -> list[StoredRow]:
    revisions = {row.revision for row in others}
    return [row for row in rows if row.revision not in revisions]


def _left(rows: Sequence[StoredRow], taken: Sequence[StoredRow], asked: Checkpoint) -> tuple[int, int, int]:
    if len(taken) == len(rows):
        return 0, 0, 0
    if not taken:
        return asked.after, asked.end, asked.rest
    return left_after(taken[-1].revision, rows[len(taken)].revision, asked)


def _fitting(rows: Sequence[StoredRow], limit: int, max_bytes: int, *, always_one: bool) -> list[StoredRow]:
    """Return the first rows that fit; one in any case where asked for."""
    taken: list[StoredRow] = []
    for row in rows[:limit]:
        if row.laid_out is None:
            break
        max_bytes -= len(row.laid_out)
        if max_bytes < 0 and not (always_one and not taken):
            break
        taken.append(row)
    return taken


def _bytes(rows: Sequence[StoredRow]) -> int:
    return sum([len(row.laid_out or b"") for row in rows])


class Places:
    """Where the circles of sessions begin, by their types; memory of this process, and losing it costs order alone."""

    def __init__(self) -> None:
        self._places: OrderedDict[tuple[str, frozenset[str]], int] = OrderedDict()
        self._random = random.Random()  # noqa: S311  # so that tabs in lockstep do not always begin alike

    def of(self, reading: Reading) -> int:
        """Return where the next circle of a reading begins; 0: at the start."""
        return self._places.get(_key(reading), 0)

    def move(self, reading: Reading, circle: Sequence[StoredRow]) -> None:
        """Begin the next circle of a reading at a version from the later half of what it was given of this one."""
        if not circle or not reading.session_key:
            return
        self._places[_key(reading)] = self._random.choice(circle[len(circle) // 2 :]).revision
        self._places.move_to_end(_key(reading))
        if len(self._places) > _KEPT_PLACES:
            self._places.popitem(last=False)


def _key(reading: Reading) -> tuple[str, frozenset[str]]:
    return reading.session_key, frozenset(reading.entity_types)
