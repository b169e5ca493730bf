"""Random histories of readers that cannot be told apart, and the check that nobody lacks what no token speaks of.

A history is a seed. Its readers share sessions without a device, forget their cursors, are cloned and lose answers.
Some keep a cursor a type, some one for both types, which they name or not; some read on while there is more.
Left out: rows that a reader holds when the log purges their tombstones (known limits; a restore that brings the
tombstones back changes nothing for it), and a reader's own pushes without an answer, which a restore may lose while its
token is older than they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from random import Random

from model import readers
from model.readers import EVERY, Entity, Row, Token
from model.user_log import Server

KINDS = ("note", "todo")
SIZES = (1, 2, 3, 5, 10, 30, 100)
CURSORS = (("note", "todo"), ("note", "todo"), ("note,todo",), ("",))
"""What readers keep cursors for: a type, both types by name, every type."""


class Diverged(AssertionError):
    """A reader is left behind."""


class Lacks(Diverged):
    """A reader lacks a row that its token does not speak of (R4)."""


class EndsWithoutAll(Diverged):
    """A reader has read to the end and does not have the server's state."""


class ReadsForEver(Diverged):
    """A reader needs more pages than there is to read."""


@dataclass
class Reader:
    session: str
    size: int
    shows: bool
    """Whether it shows its token in a push; the public SDK does not."""
    loops: bool = False
    """Whether it reads on while there is more; the public SDK does not."""
    names: tuple[str, ...] = KINDS
    """What it keeps a cursor for, each a list of types."""
    cursors: dict[str, Token] = field(default_factory=dict)
    store: dict[Entity, int] = field(default_factory=dict)
    dead: set[Entity] = field(default_factory=set)
    """What it holds although its tombstone has been purged."""
    reading: "Reading | None" = None

    def clone(self) -> "Reader":
        return replace(self, cursors=dict(self.cursors), store=dict(self.store), dead=set(self.dead), reading=None)

    def name_of(self, kind: str) -> str:
        return next(name for name in self.names if not name or kind in name.split(","))

    def lacks(self, row: Row) -> bool:
        if row.deleted:
            return row.entity in self.store and row.entity not in self.dead
        return self.store.get(row.entity) != row.version

    def take(self, row: Row) -> None:
        self.dead.discard(row.entity)
        if row.deleted:
            self.store.pop(row.entity, None)
        else:
            self.store[row.entity] = row.version


@dataclass
class Reading:
    """A loop over pages for one cursor: how many arrived since the version at which it began or was started over."""

    name: str
    since: int
    pages: int = 0
    resets: int = 0


def kinds_of(name: str) -> frozenset[str]:
    return frozenset(name.split(",")) if name else EVERY


@dataclass
class History:
    """A server, its readers, and what happens to them."""

    rng: Random
    server: Server
    readers: list[Reader] = field(default_factory=list)

    def run(self, steps: int) -> None:
        self.entities = self.rng.choice((5, 12, 40))
        for _ in range(self.rng.randint(2, 4)):
            session, size, shows = self.rng.choice("ssst"), self.rng.choice(SIZES), self.rng.random() < 0.4
            self.readers.append(Reader(session, size, shows, self.rng.random() < 0.4, self.rng.choice(CURSORS)))
        self.foreign(self.rng.randint(0, self.entities))
        for _ in range(steps):
            self.step()
            self.check()
        for reader in self.readers:
            self.finish(reader)

    def step(self) -> None:
        reader, dice = self.rng.choice(self.readers), self.rng.random()
        if dice < 0.75 and reader.reading:
            self.read_on(reader, reader.reading)
        elif dice < 0.35:
            self.push(reader)
        elif dice < 0.75:
            self.read_on(reader, Reading(self.rng.choice(reader.names), self.server.versions))
        elif dice < 0.87:
            self.foreign(self.rng.choice((1, 1, 3, 10)))
        elif dice < 0.92:
            self.forget(reader)
        elif dice < 0.94 and len(self.readers) < 6:
            self.readers.append(reader.clone())
        elif dice < 0.97:
            self.server.back_up()
        elif dice < 0.98:
            self.server.restore()
        elif dice < 0.99:
            self.purge()

    def purge(self) -> None:
        before = set(self.server.log)
        self.server.purge()
        for reader in self.readers:
            reader.dead |= (before - set(self.server.log)) & set(reader.store)

    def forget(self, reader: Reader) -> None:
        """Reload the page, mostly with its rows gone, too."""
        reader.cursors.clear()
        reader.reading = None
        if self.rng.random() < 0.7:
            reader.store.clear()

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
        names = sorted({reader.name_of(one) for one, _ in changes})
        cursor = reader.cursors.get(self.rng.choice(names)) if reader.shows else None
        if cursor and self.rng.random() < 0.1:  # a push of a type that the cursor was not read with (X14)
            changes[self.entity()] = "set"
        versions = {one: self.server.log[one] for one in changes if one in self.server.log}
        token, written = self.server.push(reader.session, cursor, list(changes.items()))
        if self.rng.random() < 0.1:
            return  # the answer is lost
        for row in written:
            old = versions.get(row.entity)
            if changes[row.entity] != "merge" or old is None or not reader.lacks(old):
                reader.take(row)
        reader.cursors.update((reader.name_of(one), token) for one, _ in changes)

    def read_on(self, reader: Reader, reading: Reading) -> None:
        """Read a page; a reader that loops goes on at its next turn, whatever the others do until then."""
        has_more = self.pull(reader, reading)
        reader.reading = reading if has_more and reader.loops else None
        if has_more and reading.pages > self.most_pages(reader, self.server.versions - reading.since):
            raise ReadsForEver(f"{reader} after {reading}")

    def most_pages(self, reader: Reader, news: int) -> int:
        """Return ⌈(N + w + k/4) / k⌉ + 1."""
        return -(-(4 * (len(self.server.log) + news) + reader.size) // (4 * reader.size)) + 1

    def pull(self, reader: Reader, reading: Reading, *, arrives: bool = False) -> bool:
        """Read a page, which `arrives` for sure or may get lost; return whether there is more."""
        kinds, cursor = kinds_of(reading.name), reader.cursors.get(reading.name)
        skip = 0 if arrives or self.rng.random() < 0.95 else self.rng.choice((1, reader.size))
        page, reset = self.server.pull(reader.session, cursor, reader.size, kinds, skip)
        if not arrives and self.rng.random() < 0.1:
            return True
        reading.pages += not skip
        if reset:
            reading.since, reading.pages, reading.resets = self.server.versions, 1, reading.resets + 1
            reader.store = {one: version for one, version in reader.store.items() if kinds and one[0] not in kinds}
        for row in page.rows:
            reader.take(row)
        reader.cursors[reading.name] = page.token
        return page.has_more or reset

    def check(self) -> None:
        """R4 after each step."""
        for reader in self.readers:
            for row in self.server.log.values():
                token = reader.cursors.get(reader.name_of(row.entity[0]))
                if token is None or readers.may_lack(token, row.revision) or not reader.lacks(row):
                    continue
                if not self.server.is_expired(token):
                    raise Lacks(f"{reader} lacks {row}")

    def finish(self, reader: Reader) -> None:
        """Pull to the end; who is told to start over is told once."""
        for name in reader.names:
            reading = Reading(name, self.server.versions)
            while self.pull(reader, reading, arrives=True):
                if reading.resets > 1 or reading.pages > self.most_pages(reader, 0):
                    raise ReadsForEver(f"{reader} after {reading}")
        if any(reader.lacks(row) for row in self.server.log.values()):
            raise EndsWithoutAll(f"{reader} ends without all")


def run(seed: int, server: type[Server] = Server, steps: int = 60) -> None:
    """Run the history of a seed; raise Diverged if a reader is left behind."""
    rng = Random(seed)
    History(rng, server(rng)).run(steps)


def diverged(server: type[Server], seeds: Iterable[int], kind: type[Diverged] = Diverged) -> int | None:
    """Return the first seed in whose history a reader is left behind; another kind of finding is raised."""
    for seed in seeds:
        try:
            run(seed, server)
        except kind:
            return seed
    return None
