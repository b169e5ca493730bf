"""One app: a tab, a phone, a service. It pushes and pulls by its habits, and answers to it get lost."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar
from uuid import UUID

from apps.acts import Acts
from apps.book import REFUSED, Book, Problem, Sent
from apps.clocks import WALL
from apps.doors import Answer, Door, Page, Refused, Unanswered
from apps.habits import Habits
from apps.news import News
from apps.replica import Replica
from apps.rereading import check_page

T = TypeVar("T")
Cursor = tuple[str, ...]
_MOST_PAGES = 60
_CALLS_TOLD = 16


@dataclass
class Pending:
    """A push that has not been answered."""

    changes: list[Sent]
    token: str | None
    push_id: str
    tries: int = 0


@dataclass
class App:
    """Keeps a replica and its cursors; use `step` while others write, `sync` to the end."""

    habits: Habits
    acts: Acts
    book: Book
    news: News
    random: Random
    connect: Callable[[str], Door]
    """Makes its door for a session's token: the name of the session, and a number for each renewal."""
    loses: float
    """How likely an answer is lost."""
    replica: Replica = field(default_factory=Replica)
    tokens: dict[Cursor, str] = field(default_factory=dict)
    from_pushes: set[Cursor] = field(default_factory=set)
    """Cursors whose token came with the answer to a push."""
    lives: list[Replica] = field(default_factory=list)
    """Earlier ones, before it was reloaded."""
    pending: Pending | None = None
    naps: int = 0
    renewals: int = 0
    calls: deque[str] = field(default_factory=lambda: deque(maxlen=_CALLS_TOLD))

    def __post_init__(self) -> None:
        self.door = self.connect(self.session)

    @property
    def name(self) -> str:
        return self.habits.name

    @property
    def session(self) -> str:
        """The device if known, else the session's token."""
        return self.habits.device or f"{self.habits.session or self.name}/{self.renewals}"

    @property
    def is_lone(self) -> bool:
        """Tell whether nobody else has its session."""
        return self.name in self.news.lone

    async def step(self) -> None:
        """Do something."""
        if self.naps:
            self.naps -= 1
            return
        if self._happens():
            return
        pushes = self.pending is not None or self.random.random() < self.habits.pushes
        if pushes and self.random.random() < 0.8:
            await self.push(self.acts.draw(self.replica, self.session))
        if self.random.random() < (1.0 if self.habits.pushes == 1 else 0.8):
            await self.pull()

    def _happens(self) -> bool:
        """Let something happen to it now and then; returns whether this was all for now."""
        drawn = self.random.random()
        if self.habits.forgets and drawn < 0.04:
            self.reload()
        elif self.habits.renews and 0.04 < drawn < 0.1:
            self.renew()
        elif 0.1 < drawn < 0.13:
            self.naps = self.random.randint(2, 12)
        return self.naps > 0

    def reload(self) -> None:
        """Begin a new life, with nothing but the session."""
        self._told("is reloaded")
        self.pending = None
        self.lives.append(self.replica)
        self.replica, self.tokens, self.from_pushes = Replica(), {}, set()
        self.news.forget(self.name)

    def renew(self) -> None:
        self._told("has its session token renewed")
        self.renewals += 1
        self.door = self.connect(f"{self.habits.session or self.name}/{self.renewals}")
        if not self.habits.device:
            self.news.forget(self.name)

    async def push(self, changes: list[Sent]) -> None:
        """Push, or send again what was not answered."""
        if self.pending is None:
            if not changes:
                return
            self.pending = Pending(changes, self._shown(changes), self._push_id())
            for one in changes:
                self.book.write(one)
                if not self.door.answers_in_full:
                    self.replica.do(one)
        pending = self.pending
        pending.tries += 1
        for one in pending.changes:
            one.tries = pending.tries
        try:
            answer = await self._ask(lambda: self.door.push(pending.changes, pending.token, pending.push_id))
        except Unanswered as why:
            self._told(f"pushes {_spelled(pending)}: {why}")
            return
        except Refused as why:
            self._refused(pending, str(why))
            return
        self.pending = None
        self._answered(pending, answer)

    async def pull(self) -> None:
        """Pull a page for each cursor; or, by its habits, all there is."""
        if self.pending is not None and not self.door.answers_in_full:
            return  # what is here is ahead of what the server has: such an app pushes first
        for cursor in self.habits.cursors:
            await (self._stream(cursor) if self.habits.streams else self._page(cursor))

    async def pull_once(self, cursor: Cursor) -> Page:
        """Pull one page, whose answer arrives."""
        asked_at = WALL.now()
        page = await self.door.pull(cursor, self.tokens.get(cursor, ""))
        self._take(cursor, page, asked_at)
        return page

    async def _page(self, cursor: Cursor) -> None:
        for _ in range(_MOST_PAGES if self.habits.loops else 1):
            asked_at = WALL.now()
            try:
                page = await self._ask(lambda: self.door.pull(cursor, self.tokens.get(cursor, "")))
            except Unanswered as why:
                self._told(f"pulls {'+'.join(cursor)}: {why}")
                self.news.forget(self.name)  # what was on it now comes with the rest
                return
            except Refused as why:
                self.report("refused", f"pulls {'+'.join(cursor)}: {why}")
                return
            self._take(cursor, page, asked_at)
            if not page.has_more:
                return

    async def _stream(self, cursor: Cursor) -> None:
        """Read until it has caught up, or is cut."""
        messages = self.random.randint(1, 3) if self.random.random() < self.loses else _MOST_PAGES
        asked_at = WALL.now()
        async with aclosing(self.door.stream(cursor, self.tokens.get(cursor, ""))) as pages:  # type: ignore[type-var]
            try:
                async for page in pages:
                    self._take(cursor, page, asked_at)
                    messages -= 1
                    if not messages:
                        self.news.forget(self.name)
                        return
            except Unanswered as why:
                self._told(f"streams: {why}")
                self.news.forget(self.name)
            except Refused as why:
                self.report("refused", f"streams: {why}")

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call; now and then its answer is lost, or the call itself, or it is cut at any moment."""
        if self.random.random() >= self.loses:
            return await call()
        how = self.random.choice(("answer", "answer", "call", "cut"))
        if how == "call":
            raise Unanswered("never sent")
        if how == "answer":
            await call()
            raise Unanswered("answer lost")
        try:
            return await asyncio.wait_for(call(), self.random.random() * 0.01)
        except TimeoutError:
            raise Unanswered("cut") from None

    def _shown(self, changes: list[Sent]) -> str | None:
        if not self.habits.shows_token:
            return None
        kind = changes[0].entity[0]
        return next((self.tokens.get(cursor, "") for cursor in self.habits.cursors if kind in cursor), "")

    def _push_id(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4)) if self.acts.sends_push_ids else ""

    def _refused(self, pending: Pending, why: str) -> None:
        self.pending = None
        self._told(f"pushes {_spelled(pending)}: {why}")
        for one in pending.changes:
            one.answered_at, one.outcome = WALL.now(), REFUSED
        self.report("refused", why)
        if not self.door.answers_in_full:
            self.reload()  # it has shown its user what never was

    def _answered(self, pending: Pending, answer: Answer) -> None:
        now = WALL.now()
        spelled = "".join(one[0] for one in answer.outcomes)
        self._told(f"pushes {_spelled(pending)}: {spelled} {answer.token[-8:]}")
        for one, outcome, revision, made in zip(
            pending.changes, answer.outcomes, answer.revisions, answer.ids, strict=True
        ):
            one.entity = (one.entity[0], made)
            one.answered_at, one.outcome, one.revision = now, outcome, revision
            if revision and not self.door.answers_in_full:
                self.replica.date(one.entity, revision)
        for row in answer.rows:
            self.replica.learn(row)
            if not pending.push_id or pending.tries == 1:  # a retry is told the data of today, of the first revision
                self.book.saw(row)
        pushed = {one.entity[0] for one in pending.changes}
        for cursor in self.habits.cursors:
            if not pushed.isdisjoint(cursor) and self._trusts(pending, cursor):
                self.tokens[cursor] = answer.token
                self.from_pushes.add(cursor)
                for kind in cursor:
                    self.replica.pushed[kind] = self.replica.pushed.get(kind, 0) + 1
        self.news.pushed(self.name, pending.changes)

    def _trusts(self, pending: Pending, cursor: Cursor) -> bool:
        """Tell whether it goes on from where a push's answer says.

        One that shows its only cursor does not, where it has read on since: the answer is to where it was.
        """
        read_on = self.tokens.get(cursor, "") != pending.token
        return pending.token is None or len(self.habits.cursors) > 1 or not read_on

    def _take(self, cursor: Cursor, page: Page, asked_at: float) -> None:
        self._told(f"pulls {'+'.join(cursor)}: {len(page.rows)}{' of more' if page.has_more else ''} {page.token[-8:]}")
        if page.reset:
            self.report("reset", "a good token was no longer known")
        self.replica.turn_page(cursor, page.rows, is_own=cursor not in self.from_pushes)
        check_page(self, cursor, [row for row in page.rows if self.replica.take(row)])
        for row in page.rows:
            self.book.saw(row)
        self.tokens[cursor] = page.token
        self.from_pushes.discard(cursor)
        self.news.read(self, cursor, page, asked_at)

    def report(self, kind: str, what: str) -> None:
        self.book.problems.append(Problem(kind, self.name, what, tuple(self.calls)))

    def _told(self, what: str) -> None:
        self.calls.append(what)


def _spelled(pending: Pending) -> str:
    changes = " ".join(f"{one.action} {'/'.join(one.entity)}" for one in pending.changes)
    shown = "" if pending.token is None else f" at {pending.token[-8:] or 'nothing'}"
    return f"[{changes}]{shown}" + (f", try {pending.tries}" if pending.tries > 1 else "")
