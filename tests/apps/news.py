"""What a lone reader's next page has to bring: everything that others have been told is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apps.book import APPLIED, Book, Entity, Late, Sent, tag_of
from apps.clocks import WALL
from apps.habits import Habits

if TYPE_CHECKING:
    from apps.app import App
    from apps.doors import Page

Cursor = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Due:
    tag: str
    entity: Entity
    at: float


@dataclass
class News:
    """Knows, of each app that shares its session with nobody, what it has not been given yet."""

    book: Book
    lone: dict[str, Habits]
    _due: dict[tuple[str, Cursor], list[_Due]] = field(default_factory=lambda: defaultdict(list))
    _caught_up: set[tuple[str, Cursor]] = field(default_factory=set)
    _written: dict[tuple[str, Cursor], int] = field(default_factory=dict)
    """How many changes had been sent, by anybody, when a page was asked for."""

    @classmethod
    def among(cls, book: Book, household: Iterable[Habits]) -> News:
        """Find those whose session, or device, nobody else has."""
        apps = list(household)
        sessions = [one.device or one.session or one.name for one in apps]
        alone = {one.name: one for one, session in zip(apps, sessions, strict=True) if sessions.count(session) == 1}
        return cls(book, alone)

    def pushed(self, by: str, changes: Sequence[Sent]) -> None:
        """Note what an app was told is there."""
        last = {one.entity: one for one in changes}
        for place, due in self._due.items():
            if place[0] == by:  # of what it has written itself it need not be told what was there before
                self._due[place] = [one for one in due if one.entity not in last]
        for one in last.values():
            if one.outcome != APPLIED or not one.tag or one.action == "delete":
                continue
            for name, cursor in self._caught_up:
                if name != by and one.entity[0] in cursor:
                    self._due[name, cursor].append(_Due(one.tag, one.entity, WALL.now()))

    def forget(self, name: str) -> None:
        """Expect nothing of a reader until it has caught up again."""
        self._caught_up = {place for place in self._caught_up if place[0] != name}
        self._due = defaultdict(list, {place: due for place, due in self._due.items() if place[0] != name})

    def read(self, app: App, cursor: Cursor, page: Page, asked_at: float) -> None:
        """Note what is late: was there before the page was asked for, and is not on it."""
        place = app.name, cursor
        # A device that shows no token is answered from where it last was, so it reads its last pages first.
        may_take_more = app.habits.streams or (app.habits.device and not app.habits.shows_token)
        if place in self._caught_up and not (may_take_more and page.has_more):
            self._check(app, place, asked_at)
        self._written[place] = self.book.written
        if not page.has_more and app.name in self.lone:
            self._caught_up.add(place)

    def _check(self, app: App, place: tuple[str, Cursor], asked_at: float) -> None:
        due = [one for one in self._due[place] if one.at < asked_at]
        self._due[place] = [one for one in self._due[place] if one.at >= asked_at]
        if self.book.written - self._written[place] > app.door.page_size // 4:
            self._caught_up.discard(place)  # they may not fit
            self._due[place] = []
            return
        for one in due:
            row = app.replica.rows.get(one.entity)
            if row is None or row.data is None or tag_of(row.data) != one.tag:
                held = app.replica.given.get(one.entity, 0)
                self.book.late.append(Late(app.name, one.tag, one.entity, held, tuple(app.calls)))
