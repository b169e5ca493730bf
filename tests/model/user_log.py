"""One user's log with what a server keeps beside it: who was answered what, places, epochs, and the purge fence."""

from collections.abc import Collection
from dataclasses import dataclass, field
from random import Random

from model import readers
from model.readers import EVERY, Ask, Entity, Page, Row, Token


@dataclass
class Server:
    """One user's log with what the server keeps beside it; a planted fault is a subclass."""

    rng: Random
    log: dict[Entity, Row] = field(default_factory=dict)
    answered: dict[tuple[str, str], int] = field(default_factory=dict)
    places: dict[tuple[str, str], int] = field(default_factory=dict)
    restores: list[int] = field(default_factory=list)
    floor: int = 0
    versions: int = 0
    backups: list[tuple[dict[Entity, Row], dict[tuple[str, str], int], int]] = field(default_factory=list)

    @property
    def head(self) -> int:
        return readers.head(self.log.values())

    @property
    def epoch(self) -> int:
        return len(self.restores)

    def write(self, entity: Entity, deleted: bool = False) -> Row:
        self.versions += 1
        self.log[entity] = Row(entity, self.head + self.rng.choice((1, 1, 7)), self.versions, deleted)
        return self.log[entity]

    def back_up(self) -> None:
        self.backups.append((dict(self.log), dict(self.answered), self.floor))

    def restore(self) -> None:
        """Go back to a backup; what was backed up later is gone, too."""
        if self.backups:
            del self.backups[self.rng.randrange(len(self.backups)) + 1 :]
            log, answered, self.floor = self.backups[-1]
            self.log, self.answered = dict(log), dict(answered)
            self.restores.append(self.head)
            self.places.clear()

    def purge(self) -> None:
        revisions = sorted(row.revision for row in self.log.values())
        if revisions:  # the youngest row stays, and so does the head
            self.floor = max(self.floor, self.rng.choice(revisions))
            kept = [row for row in self.log.values() if not row.deleted or not row.revision < self.floor]
            self.log = {row.entity: row for row in kept}

    def is_expired(self, token: Token) -> bool:
        return readers.is_lost(token, self.restores) or readers.is_purged(token, self.floor)

    def high(self, session: str, kinds: set[str]) -> int:
        """R2; what was answered for every type is kept under no type."""
        whole = self.answered.get((session, ""))
        rows = [(self.answered.get((session, kind)), whole) for kind in kinds]
        return readers.high([max((one for one in row if one is not None), default=None) for row in rows], self.head)

    def answer_bare(self, session: str, kinds: set[str], high: int, before: int) -> Token:
        token, moves = readers.answer_bare(high, before, self.head, self.floor, self.epoch)
        if moves:
            self.answered.update(((session, kind), self.head) for kind in kinds)
        return token

    def answer_shown(self, token: Token, session: str, before: int, in_full: bool) -> Token:
        return readers.answer_shown(token, before, self.head, in_full, self.is_expired(token), self.epoch)

    def shows(self, token: Token, kinds: set[str]) -> bool:
        return readers.shows(token, kinds)

    def page(self, token: Token, ask: Ask, place: int) -> Page:
        return readers.pull(self.log.values(), token, ask, place, self.epoch, self.rng)

    def pull(
        self, session: str, token: Token | None, size: int, kinds: Collection[str] = EVERY, skip: int = 0
    ) -> tuple[Page, bool]:
        """Answer a page and whether the reader starts over; no types: every type."""
        reset = token is not None and self.is_expired(token)
        token = Token() if token is None or reset else token
        where = (session, ",".join(sorted(kinds)))
        page = self.page(token, Ask(size, frozenset(kinds), skip), self.places.get(where, 0))
        self.places[where] = page.place
        self.note_answered(session, kinds, token, page)
        return page, reset

    def note_answered(self, session: str, kinds: Collection[str], asked: Token, page: Page) -> None:
        for kind in kinds or {""}:
            where = (session, kind)
            self.answered[where] = max(self.answered.get(where, 0), page.token.m)

    def push(self, session: str, token: Token | None, changes: list[tuple[Entity, str]]) -> tuple[Token, list[Row]]:
        """Write changes ("set", "merge", "delete", or "lose") and answer the token and what was written."""
        kinds = {entity[0] for entity, _ in changes}
        before, high = self.head, self.high(session, kinds)
        merged = [self.log[one].revision for one, action in changes if action == "merge" and one in self.log]
        written = [self.write(one, action == "delete") for one, action in changes if action != "lose"]
        if token is None or not self.shows(token, kinds):
            return self.answer_bare(session, kinds, high, before), written
        lost = any(action == "lose" for _, action in changes)
        in_full = readers.is_in_full(token, merged, lost)
        return self.answer_shown(token, session, before, in_full), written
