"""What happened in one run: what writers were told, and what readers got."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

UNPLACED: Final = 0
"""Revision of an acknowledged version whose writer was not told where it stands; its entity is written only once."""


class Entity(NamedTuple):
    """What a change is about."""

    user: str
    entity_type: str
    entity_id: str


class Entry(NamedTuple):
    """One version of an entity, as it was acknowledged or read."""

    entity: Entity
    revision: int
    """Its position in the log; greater is later."""
    content: bytes | None
    """Its data; None: it is deleted."""


class Mark(NamedTuple):
    """A token that a reader got, and how many entries it had read by then."""

    token: str
    entries: int
    complete: bool = False
    """The server said that there was no more right then."""


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
    at_end: bool = True
    """It read on until all was written; else it stopped somewhere, and has only to have what lies before that."""

    def sees(self, entity: Entity) -> bool:
        """Tell whether changes of this entity are for this reader."""
        return self.user in (None, entity.user) and (not self.types or entity.entity_type in self.types)

    def take(self, entries: Iterable[Entry], token: str, *, complete: bool = False) -> None:
        """Record a page, or a message of a stream."""
        self.entries += entries
        self.marks.append(Mark(token, len(self.entries), complete))


class Bid(NamedTuple):
    """A push that names the head it was made against."""

    user: str
    head: int
    applied: bool


class Reread(NamedTuple):
    """What a token gave when it was used once more, after all was written."""

    reader: Reader
    mark: Mark
    entries: list[Entry]


class Recovery(NamedTuple):
    """What a new reader of everything found after the server had been killed."""

    acknowledged: int
    """How many of the acknowledged versions had been acknowledged when it was killed."""
    entries: list[Entry]


class Overheard(NamedTuple):
    """A text that somebody got besides entries: an error, a log line."""

    user: str
    text: str


@dataclass
class RunHistory:
    """What happened in one run.

    One event loop records it, in the order in which things became known; nothing is taken from the server but its
    answers.
    """

    acknowledged: list[Entry] = field(default_factory=list)
    pushes: list[range] = field(default_factory=list)
    """Which of `acknowledged` came with one push; its retries are pushes too."""
    once: set[Entity] = field(default_factory=set)
    """Entities that are created by one change and never touched again."""
    denied: list[Entity] = field(default_factory=list)
    """Entities of `once` whose change was called a conflict."""
    unanswered: set[Entity] = field(default_factory=set)
    """Entities with a change whose outcome was never learned; what is read of them proves nothing."""
    readers: list[Reader] = field(default_factory=list)
    log: Reader | None = None
    """Everything, read anew after all was written."""
    rereads: list[Reread] = field(default_factory=list)
    bids: list[Bid] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)
    canaries: dict[str, str] = field(default_factory=dict)
    """Canary, `canary-` and hexadecimal digits → the user whose data carries it."""
    overheard: list[Overheard] = field(default_factory=list)
    one_log: bool = True
    """Revisions are positions in one log of all users; else each user has a log of its own."""

    def acknowledge(self, entries: Iterable[Entry]) -> None:
        """Take in the versions that the answer to one push named, conflicts left out."""
        start = len(self.acknowledged)
        self.acknowledged += entries
        self.pushes.append(range(start, len(self.acknowledged)))

    def reader(self, name: str, user: str | None = None, *types: str) -> Reader:
        """Add a reader."""
        self.readers.append(Reader(name, user, types))
        return self.readers[-1]
