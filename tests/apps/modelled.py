"""A server in memory that keeps the rules as the models state them: what the apps are tried on, and planted faults."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from random import Random

from apps.book import APPLIED, CONFLICT, Data, Entity, Row, Sent
from apps.clocks import WALL
from apps.doors import Answer, Door, Page
from apps.habits import Habits
from apps.site import page_size
from model import readers
from model.readers import Token
from model.user_log import Server

_HTTP_PAGE = 100
_PUSH_SECONDS = 0.02
_LARGEST_PAGE = 100_000


@dataclass(frozen=True, slots=True)
class Version:
    """What is stored of an entity."""

    data: Data | None
    committed_ms: int
    stamp_ms: int | None
    session: str
    made_by: tuple[object, ...]
    """What tells a retry of the push that made it."""


@dataclass
class Rules:
    """One user's log; a planted fault is a subclass."""

    random: Random
    readers: Server = field(init=False)
    versions: dict[Entity, Version] = field(default_factory=dict)
    remembered: dict[str, Answer] = field(default_factory=dict)
    presented: dict[tuple[str, str], int] = field(default_factory=dict)
    """What devices have shown in pulls, by type (P9)."""
    clock_ms: int = 0

    def __post_init__(self) -> None:
        self.readers = Server(self.random)

    def push(
        self, session: str, device: bool, changes: Sequence[Sent], token: Token | None, push_id: str
    ) -> tuple[Answer, Token]:
        """Apply a push in one step."""
        WALL.moved_seconds += _PUSH_SECONDS
        self.clock_ms = max(self.clock_ms + 1, WALL.now_ms())
        before, kinds = self.readers.head, {one.entity[0] for one in changes}
        high = self.readers.high(session, kinds)
        answer, merged, written = self._apply(session, device, changes, push_id)
        if token is not None and self.readers.shows(token, kinds):
            in_full = readers.is_in_full(token, merged, CONFLICT in answer.outcomes)
            return answer, self.answer_shown(token, session, before, in_full)
        if device and not push_id:
            return answer, self._answer_device(session, kinds, written)
        if not session or push_id:
            return answer, Token(0, self.readers.head, g=self.readers.head)
        return answer, self.answer_bare(session, kinds, high, before)

    def answer_shown(self, token: Token, session: str, before: int, in_full: bool) -> Token:
        return self.readers.answer_shown(token, session, before, in_full)

    def answer_bare(self, session: str, kinds: set[str], high: int, before: int) -> Token:
        return self.readers.answer_bare(session, kinds, high, before)

    def pull(self, session: str, device: bool, kinds: Sequence[str], token: Token, size: int) -> tuple[Page, Token]:
        """Read a page."""
        page, _ = self.readers.pull(session, token, size, kinds)
        if device:
            self.presented.update(((session, kind), token.m) for kind in kinds)
        rows = [Row(row.entity, row.revision, self.versions[row.entity].data) for row in page.rows]
        return Page(rows, "", page.has_more), page.token

    def is_replay(self, session: str, device: bool, change: Sent, version: Version | None, made_by: object) -> bool:
        """Q1 to Q3."""
        if version is None or version.made_by != made_by:
            return False
        known_and_differ = device and version.session.startswith("device:") and version.session != session
        return not known_and_differ and change.base != self.revision(change.entity)

    def loses(self, session: str, change: Sent, version: Version | None) -> bool:
        """P5, P6 and C1 to C4."""
        if version is not None and version.data is None and change.action == "update":
            return True
        if change.base is not None:
            return change.base != self.revision(change.entity)
        if version is None or change.stamp_ms is None:
            return False
        c, n, k, s = change.stamp_ms, self.clock_ms, version.committed_ms, version.stamp_ms
        if version.session == session:
            return not (s is None or c >= s or (s > k and c <= n))
        return k > min(c, n)

    def revision(self, entity: Entity) -> int:
        return self.readers.log[entity].revision if entity in self.readers.log else 0

    def is_remembered(self, push_id: str) -> bool:
        """Q5."""
        return push_id in self.remembered

    def _apply(
        self, session: str, device: bool, changes: Sequence[Sent], push_id: str
    ) -> tuple[Answer, list[int], set[Entity]]:
        if self.is_remembered(push_id):
            return self.remembered[push_id], [], set()
        stored = {one.entity: self.versions.get(one.entity) for one in changes}
        made_by = {one: (*tuple(_digest(each) for each in changes if each.entity == one), push_id) for one in stored}
        again = {
            one.entity
            for one in changes  # the last of an entity counts, as the one that names the base
            if self.is_replay(session, device, one, stored[one.entity], made_by[one.entity])
        }
        base = {one.entity: self.revision(one.entity) for one in changes}
        lost = [
            (
                one.entity not in again
                and self.loses(session, one, stored[one.entity])
                and stored[one.entity] is not None
            )
            or (one.base is not None and one.base != base[one.entity] and one.entity not in again)
            for one in changes
        ]
        merged: list[int] = []
        outcomes, ids = [], []
        written: set[Entity] = set()
        for one, has_lost in zip(changes, lost, strict=True):
            entity = (one.entity[0], one.entity[1] or self._new_id(push_id))
            ids.append(entity[1])
            outcomes.append(CONFLICT if has_lost else APPLIED)
            if has_lost or one.entity in again or (one.action == "delete" and entity not in self.versions):
                continue
            now = self.versions.get(entity)
            if one.action == "update" and now is not None and now.data is not None and entity not in written:
                merged.append(self.revision(entity))
            kept = now.data if one.action == "update" and now is not None and now.data is not None else {}
            data = None if one.action == "delete" else {**(kept or {}), **one.data}
            key = made_by[one.entity] if one.entity[1] else ()
            self.versions[entity] = Version(data, self.clock_ms, one.stamp_ms, session, key)
            self.readers.write(entity, deleted=data is None)
            written.add(entity)
        rows = [self._row((one.entity[0], each)) for one, each in zip(changes, ids, strict=True)]
        answer = Answer(outcomes, rows, [row.revision for row in rows], ids, "")
        if push_id:
            self.remembered[push_id] = answer
        return answer, merged, written

    def _answer_device(self, session: str, kinds: set[str], written: set[Entity]) -> Token:
        """P9: the head where nothing after what the device has shown is another's, else what it has shown."""
        shown = min(self.presented.get((session, kind), 0) for kind in kinds)
        after = [row.entity for row in self.readers.log.values() if row.revision > shown]
        position = shown if any(entity not in written for entity in after) or written else self.readers.head
        return Token(
            position, self.readers.head, g=0 if position == self.readers.head else position or self.readers.head
        )

    def _row(self, entity: Entity) -> Row:
        version = self.versions.get(entity)
        return Row(entity, self.revision(entity), version.data if version else None)

    def _new_id(self, push_id: str) -> str:
        return f"made-{self.random.getrandbits(64):x}"


@dataclass
class ModelledDoor:
    """The way of one app to it; what it answers with depends on the dialect only in what it leaves out."""

    site: "ModelledSite"
    session: str
    device: bool
    size: int
    answers_in_full: bool
    is_service: bool = False

    @property
    def page_size(self) -> int:
        return self.size

    async def push(self, changes: Sequence[Sent], token: str | None, push_id: str) -> Answer:
        shown = None if token is None else self.site.token(token)
        answer, following = self.site.rules.push(self.session, self.device, changes, shown, push_id)
        outcomes = answer.outcomes
        rows = answer.rows if self.answers_in_full else self._conflicts(answer)
        revisions = answer.revisions if self.answers_in_full else [0] * len(changes)
        return Answer(outcomes, rows, revisions, answer.ids, self.site.text(following))

    async def pull(self, kinds: Sequence[str], token: str) -> Page:
        page, following = self.site.rules.pull(self.session, self.device, kinds, self.site.token(token), self.size)
        return Page(page.rows, self.site.text(following), page.has_more)

    async def stream(self, kinds: Sequence[str], token: str) -> AsyncGenerator[Page, None]:
        while True:
            page = await self.pull(kinds, token)
            token = page.token
            yield page
            if not page.has_more:
                return

    def _conflicts(self, answer: Answer) -> list[Row]:
        return [row for row, outcome in zip(answer.rows, answer.outcomes, strict=True) if outcome == CONFLICT]


@dataclass
class ModelledSite:
    """One user's."""

    rules: Rules
    _tokens: dict[str, Token] = field(default_factory=lambda: {"": Token()})
    _texts: dict[Token, str] = field(default_factory=dict)

    def door(self, habits: Habits, name: str) -> Door:
        session = "" if habits.is_service else f"device:{habits.device}" if habits.device else name
        native = habits.door == "native"
        return ModelledDoor(self, session, bool(habits.device), page_size(habits) if native else _HTTP_PAGE, native)

    def service(self) -> Door:
        return ModelledDoor(self, "", False, _LARGEST_PAGE, True)

    def token(self, text: str) -> Token:
        return self._tokens[text]

    def text(self, token: Token) -> str:
        text = self._texts.setdefault(token, f"token-{len(self._texts)}")
        self._tokens[text] = token
        return text


def _digest(one: Sent) -> tuple[object, ...]:
    return one.action, one.stamp_ms, tuple(sorted(one.data.items(), key=lambda item: item[0]))
