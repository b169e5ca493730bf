"""What must hold of a recorded history: what was acknowledged to writers, and what readers got.

Every check is linear in the history and returns the problems that it found; no problem is an empty list. `check` runs
all of them. None of them trusts the server: positions are known only by what a reader had read when it got a token.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from syncline.v1 import sync_pb2

END = "end"
"""Type of the entity that is the last change of a user's history; what a reader has of it is not its business."""


class Entity(NamedTuple):
    user: str
    entity_type: str
    entity_id: str


class Entry(NamedTuple):
    """One version of an entity, as it was acknowledged or read."""

    entity: Entity
    revision: int
    content: bytes | None
    """Its data; None: it is deleted."""


class Mark(NamedTuple):
    """A token that a reader got, and how many entries it had read by then."""

    token: str
    entries: int


@dataclass
class Reader:
    """What one reader got, in the order in which it came."""

    name: str
    user: str | None = None
    """None: all users."""
    types: tuple[str, ...] = ()
    """Empty: all."""
    entries: list[Entry] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def sees(self, entity: Entity) -> bool:
        return self.user in (None, entity.user) and (not self.types or entity.entity_type in self.types)


@dataclass
class History:
    """What happened in one run."""

    acknowledged: list[Entry] = field(default_factory=list)
    once: set[Entity] = field(default_factory=set)
    """Entities that are created by one change and never touched again."""
    readers: list[Reader] = field(default_factory=list)

    def acknowledge(self, user: str, pushed: Sequence[sync_pb2.Change], answer: sync_pb2.PushResponse) -> None:
        """Take in the answer to a push; conflicts and deletes of what never was are no part of the log."""
        assert len(answer.results) == len(pushed)
        for change, result in zip(pushed, answer.results, strict=True):
            if result.outcome == sync_pb2.OUTCOME_APPLIED and result.change.revision:
                data = result.change.data or change.data
                self.acknowledged.append(entry_of(user, result.change, data))

    def reader(self, name: str, user: str | None = None, *types: str) -> Reader:
        self.readers.append(Reader(name, user, types))
        return self.readers[-1]


def entry_of(user: str, change: sync_pb2.Change, data: bytes) -> Entry:
    deleted = change.action == sync_pb2.ACTION_DELETE
    return Entry(Entity(user, change.entity_type, change.entity_id), change.revision, None if deleted else data)


class Kind(StrEnum):
    """What can be wrong."""

    LOST = "an acknowledged create that the reader never got"
    REPEATED = "a create that the reader got more than once"
    OUT_OF_ORDER = "a revision that is not later than the one before it"
    INVENTED = "a version that was never acknowledged"
    DIVERGED = "an entity whose last version is not the last one acknowledged"
    SKIPPED = "a change that is missing, or one too many, after a token"


class Problem(NamedTuple):
    kind: Kind
    reader: str
    what: object


def check(history: History) -> list[Problem]:
    """Run every check that needs no more than the history."""
    problems = list(acknowledged_twice(history.acknowledged))
    for reader in history.readers:
        problems += [*out_of_order(reader), *exactly_once(history, reader)]
        problems += [*invented(history, reader), *diverged(history, reader)]
    return problems


def summary(problems: Sequence[Problem]) -> str:
    """Count the problems by kind and show the first of each."""
    counts = Counter(problem.kind for problem in problems)
    first = {problem.kind: problem for problem in reversed(problems)}
    return "\n".join(f"{count} x {kind}: {first[kind].reader}, {first[kind].what}" for kind, count in counts.items())


def acknowledged_twice(acknowledged: Sequence[Entry]) -> Iterator[Problem]:
    """One revision is one version of one entity."""
    owners: dict[int, Entity] = {}
    for entry in acknowledged:
        if owners.setdefault(entry.revision, entry.entity) != entry.entity:
            yield Problem(Kind.OUT_OF_ORDER, "acknowledgements", (owners[entry.revision], entry))


def out_of_order(reader: Reader) -> Iterator[Problem]:
    """Revisions are strictly increasing, so none comes twice."""
    for before, after in pairwise(reader.entries):
        if after.revision <= before.revision:
            yield Problem(Kind.OUT_OF_ORDER, reader.name, (before, after))


def exactly_once(history: History, reader: Reader) -> Iterator[Problem]:
    """Every create of an entity that is never touched again comes once."""
    times = Counter(entry.entity for entry in reader.entries if entry.entity in history.once)
    for entry in history.acknowledged:
        if entry.entity in history.once and reader.sees(entry.entity) and not times[entry.entity]:
            yield Problem(Kind.LOST, reader.name, entry)
    for entity, count in times.items():
        if count > 1:
            yield Problem(Kind.REPEATED, reader.name, (entity, count))


def invented(history: History, reader: Reader) -> Iterator[Problem]:
    """Whatever was read was acknowledged to somebody, with this content.

    Also finds a retry that was applied again: what it had made before was never acknowledged.
    """
    versions = {(entry.entity, entry.revision): entry.content for entry in history.acknowledged}
    for entry in reader.entries:
        known = versions.get((entry.entity, entry.revision), b"never")
        if known != entry.content and entry.entity.entity_type != END:
            yield Problem(Kind.INVENTED, reader.name, entry)


def diverged(history: History, reader: Reader) -> Iterator[Problem]:
    """A reader that has come to the end has the last acknowledged version of every entity."""
    last = {entry.entity: entry.revision for entry in reader.entries}
    wanted: dict[Entity, int] = {}
    for entry in history.acknowledged:
        if reader.sees(entry.entity):
            wanted[entry.entity] = max(entry.revision, wanted.get(entry.entity, 0))
    for entity, revision in wanted.items():
        if last.get(entity, 0) != revision:
            yield Problem(Kind.DIVERGED, reader.name, (entity, revision, last.get(entity)))


def skipped(log: Reader, reader: Reader, mark: Mark, rest: Sequence[Entry]) -> Iterator[Problem]:
    """Reading from a token yields exactly what the final log has after what its reader had read by then."""
    position = reader.entries[mark.entries - 1].revision if mark.entries else 0
    wanted = [entry for entry in log.entries if entry.revision > position and reader.sees(entry.entity)]
    if wanted != list(rest):
        differing = {entry.revision for entry in wanted} ^ {entry.revision for entry in rest}
        yield Problem(Kind.SKIPPED, reader.name, (mark, len(wanted), len(rest), sorted(differing)[:5]))
