"""Random histories of readers that cannot be told apart, and the check that nobody lacks what no token speaks of.

A history is a seed. Its readers share sessions without a device, forget their cursors, are cloned and lose answers.
Left out: rows that a reader holds and the log no longer has (known limits), and a reader's own pushes without an
answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from random import Random

from model import readers
from model.readers import Entity, Page, Row, Token

KINDS = ("note", "todo")
SIZES = (1, 2, 3, 5, 10, 30, 100)


class Diverged(AssertionError):
    """A reader lacks a row that its token does not speak of, or does not end with the server's state."""


@dataclass
class Reader:
    session: str
    size: int
    shows: bool
    """Whether it shows its token in a push; the public SDK does not."""
    cursors: dict[str, Token] = field(default_factory=dict)
    store: dict[Entity, int] = field(default_factory=dict)

    def clone(self) -> "Reader":
        return replace(self, cursors=dict(self.cursors), store=dict(self.store))

    def lacks(self, row: Row) -> bool:
        return row.entity in self.store if row.deleted else self.store.get(row.entity) != row.version

    def take(self, row: Row) -> None:
        if row.deleted:
            self.store.pop(row.entity, None)
        else:
            self.store[row.entity] = row.version


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
        return readers.high([self.answered.get((session, kind)) for kind in kinds], self.head)

    def answer_bare(self, session: str, kinds: set[str], high: int, before: int) -> Token:
        token, moves = readers.answer_bare(high, before, self.head, self.floor, self.epoch)
        if moves:
            self.answered.update(((session, kind), self.head) for kind in kinds)
        return token

    def answer_shown(self, token: Token, session: str, before: int, in_full: bool) -> Token:
        return readers.answer_shown(token, before, self.head, in_full, self.is_expired(token), self.epoch)

    def shows(self, token: Token, kinds: set[str]) -> bool:
        return readers.shows(token, kinds)

    def page(self, token: Token, size: int, kind: str, place: int) -> Page:
        return readers.pull(list(self.log.values()), token, size, {kind}, place, self.epoch, self.rng)

    def pull(self, session: str, token: Token | None, size: int, kind: str) -> tuple[Page, bool]:
        """Answer a page and whether the reader starts over."""
        reset = token is not None and self.is_expired(token)
        token = Token() if token is None or reset else token
        where = (session, kind)
        page = self.page(token, size, kind, self.places.get(where, 0))
        self.places[where] = page.place
        self.answered[where] = max(self.answered.get(where, 0), page.token.m)
        return page, reset

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


@dataclass
class History:
    """A server, its readers, and what happens to them."""

    rng: Random
    server: Server
    readers: list[Reader] = field(default_factory=list)

    def run(self, steps: int) -> None:
        self.entities = self.rng.choice((5, 12, 40))
        for _ in range(self.rng.randint(2, 4)):
            self.readers.append(Reader(self.rng.choice("ssst"), self.rng.choice(SIZES), self.rng.random() < 0.4))
        self.foreign(self.rng.randint(0, self.entities))
        for _ in range(steps):
            self.step()
            self.check()
        for reader in self.readers:
            self.finish(reader)

    def step(self) -> None:
        reader, dice = self.rng.choice(self.readers), self.rng.random()
        if dice < 0.35:
            self.push(reader)
        elif dice < 0.75:
            self.pull(reader, self.rng.choice(KINDS))
        elif dice < 0.87:
            self.foreign(self.rng.choice((1, 1, 3, 10)))
        elif dice < 0.92:
            reader.cursors.clear()
            if self.rng.random() < 0.7:
                reader.store.clear()
        elif dice < 0.94 and len(self.readers) < 6:
            self.readers.append(reader.clone())
        elif dice < 0.97:
            self.server.back_up()
        elif dice < 0.98:
            self.server.restore()
        elif dice < 0.99:
            self.server.purge()

    def foreign(self, count: int) -> None:
        for _ in range(count):
            self.server.write(self.entity(), self.rng.random() < 0.15)

    def entity(self, kind: str = "") -> Entity:
        return kind or self.rng.choice(KINDS), str(self.rng.randrange(self.entities))

    def push(self, reader: Reader) -> None:
        kind = self.rng.choice(("", *KINDS, *KINDS))
        count = self.rng.choice((1, 1, 2))
        changes = {self.entity(kind): self.rng.choice(("set", "set", "merge", "merge", "delete")) for _ in range(count)}
        for entity in changes:
            if entity in self.server.log and self.rng.random() < 0.15:
                changes[entity] = "lose"
        kinds = {one for one, _ in changes}
        cursor = reader.cursors.get(self.rng.choice(sorted(kinds))) if reader.shows else None
        if cursor and self.rng.random() < 0.1:  # a push of a type that the cursor was not read with (X14)
            changes[self.entity()] = "set"
            kinds = {one for one, _ in changes}
        versions = {one: self.server.log[one] for one in changes if one in self.server.log}
        token, written = self.server.push(reader.session, cursor, list(changes.items()))
        if self.rng.random() < 0.1:
            return  # the answer is lost
        for row in written:
            old = versions.get(row.entity)
            if changes[row.entity] != "merge" or old is None or not reader.lacks(old):
                reader.take(row)
        for one in kinds:
            reader.cursors[one] = token

    def pull(self, reader: Reader, kind: str, *, arrives: bool = False) -> bool:
        """Read a page, which `arrives` for sure or may get lost; return whether there is more."""
        page, reset = self.server.pull(reader.session, reader.cursors.get(kind), reader.size, kind)
        if not arrives and self.rng.random() < 0.1:
            return True
        if reset:
            reader.store = {one: version for one, version in reader.store.items() if one[0] != kind}
        for row in page.rows:
            reader.take(row)
        reader.cursors[kind] = page.token
        return page.has_more or reset

    def check(self) -> None:
        """R4 after each step."""
        for reader in self.readers:
            for row in self.server.log.values():
                token = reader.cursors.get(row.entity[0])
                if token is None or readers.may_lack(token, row.revision) or not reader.lacks(row):
                    continue
                if not self.server.is_expired(token):
                    raise Diverged(f"{reader} lacks {row}")

    def finish(self, reader: Reader) -> None:
        """Pull to the end, in at most ⌈(N + k/4) / k⌉ + 1 pages of size k, and as many again for one who
        starts over.
        """
        for kind in KINDS:
            rows = [row for row in self.server.log.values() if row.entity[0] == kind]
            pages = -(-(4 * len(rows) + reader.size) // (4 * reader.size)) + 1
            cursor = reader.cursors.get(kind)
            pages *= 1 if cursor is None or cursor.h == 0 else 2
            while self.pull(reader, kind, arrives=True):
                pages -= 1
                if pages <= 0:
                    raise Diverged(f"{reader} reads for ever")
            if any(reader.lacks(row) for row in rows):
                raise Diverged(f"{reader} ends without all")


def run(seed: int, server: type[Server] = Server, steps: int = 60) -> None:
    """Run the history of a seed; raise Diverged if a reader is left behind."""
    rng = Random(seed)
    History(rng, server(rng)).run(steps)


def diverged(server: type[Server], seeds: Iterable[int]) -> int | None:
    """Return the first seed whose history diverges."""
    for seed in seeds:
        try:
            run(seed, server)
        except Diverged:
            return seed
    return None
