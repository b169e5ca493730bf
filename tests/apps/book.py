"""What the apps of one user sent, what they were told and what they saw: all that the verdict knows."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.clocks import WALL

Entity = tuple[str, str]
"""Its type and its id; the id is empty while the server has yet to make one."""
Data = dict[str, Any]

APPLIED, CONFLICT, REFUSED, UNCLEAR = "applied", "conflict", "refused", "unclear"
"""What an app was told of a change. Unclear: only some changes of its entity in the push have lost, and not which."""


@dataclass(frozen=True, slots=True)
class Row:
    """One version of an entity, as a reader gets it."""

    entity: Entity
    revision: int
    data: Data | None
    """None: it is deleted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A promise that was not kept."""

    kind: str
    app: str
    what: str
    calls: tuple[str, ...] = ()
    """The last ones of the app."""

    def __str__(self) -> str:
        return "\n    ".join((f"{self.kind}: {self.app}: {self.what}", *self.calls))


@dataclass(slots=True)
class Sent:
    """One change that an app sent, as often as it took."""

    app: str
    session: str
    entity: Entity
    action: str
    data: Data
    base: int | None
    stamp_ms: int | None
    """As sent; None: without a client timestamp."""
    clock_is_right: bool
    retry_is_exact: bool
    """The server can tell a retry of it from a new change, whatever others have done meanwhile."""
    sent_at: float = field(default_factory=WALL.now)
    tries: int = 0
    has_push_id: bool = False
    answered_at: float = math.inf
    """In seconds since the Unix epoch; never: the outcome is unknown for good."""
    outcome: str = ""
    revision: int = 0
    """As told; 0: not told."""

    @property
    def tag(self) -> str:
        return tag_of(self.data)

    @property
    def is_unknown(self) -> bool:
        """Tell whether it may be applied, or not: nobody knows.

        Without a `push_id`, the retry of a change that was applied and written over since is answered as a conflict.
        """
        may_be_overwritten = self.outcome == CONFLICT and self.tries > 1 and not self.has_push_id
        return self.outcome in {"", UNCLEAR} or may_be_overwritten

    @property
    def may_be_applied(self) -> bool:
        return self.outcome == APPLIED or self.is_unknown


@dataclass
class Book:
    """Everything that is known of one user's apps."""

    sent: list[Sent] = field(default_factory=list)
    versions: dict[str, set[tuple[Entity, int]]] = field(default_factory=lambda: defaultdict(set))
    """Where the change with a tag was seen: entity and revision."""
    problems: list[Problem] = field(default_factory=list)
    late: list["Late"] = field(default_factory=list)
    written: int = 0
    """How many changes have been sent."""

    def write(self, sent: Sent) -> Sent:
        self.sent.append(sent)
        self.written += 1
        return sent

    def saw(self, row: Row) -> None:
        if row.data and (tag := tag_of(row.data)):
            self.versions[tag].add((row.entity, row.revision))

    def by_entity(self) -> Mapping[Entity, list[Sent]]:
        found: dict[Entity, list[Sent]] = defaultdict(list)
        for one in self.sent:
            found[one.entity].append(one)
        return found

    def tags(self) -> Iterator[Sent]:
        return (one for one in self.sent if one.tag)


@dataclass(frozen=True, slots=True)
class Late:
    """News that a lone reader's page should have brought: a suspicion, until it is known which version is the later."""

    app: str
    tag: str
    entity: Entity
    held_revision: int
    """Of what the reader had of the entity after that page; 0: nothing."""
    calls: tuple[str, ...]


def tag_of(data: Data) -> str:
    """Return the mark of the last change that made these data; every change has one of its own."""
    return str(data.get("edited") or data.get("tag") or "")
