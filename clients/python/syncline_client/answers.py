"""What the server answers: to a push, with a page, in a stream."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from syncline_client.changes import Change
from syncline_client.notes import Note


class Outcome(StrEnum):
    """What became of a pushed change."""

    APPLIED = "applied"
    """It is part of the log, or there was nothing to do."""
    CONFLICT = "conflict"
    """It lost to the server's version, which the result carries."""


@dataclass(frozen=True, slots=True)
class PushResult:
    """What became of one change."""

    outcome: Outcome
    replayed: bool
    """An earlier push had applied it; nothing was written."""
    change: Change
    """The server's version. Its `data` is empty where the server stored just what was pushed; conflicts and updates
    carry it. Revision 0: a delete of an entity that never existed."""
    note: Note | None = None
    """The note of the change as it is now; None: the change has none."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """The answer to a push."""

    results: Sequence[PushResult]
    """One for each change, in order."""
    checkpoint_token: str
    """A position from which a pull of the pushed types misses nothing."""
    head_ms: int
    """The user's head, in milliseconds since the Unix epoch; 0 without changes."""

    @property
    def conflicts(self) -> list[PushResult]:
        """The changes that lost."""
        return [result for result in self.results if result.outcome is Outcome.CONFLICT]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of changes: what is new, in strictly increasing order of revision, then what comes again."""

    changes: Sequence[Change]
    checkpoint_token: str
    """Where to go on; store it together with the changes."""
    has_more: bool
    """There is more right now."""
    head_ms: int
    """The user's head over all types, in milliseconds since the Unix epoch; 0 without changes."""
    total_size: int | None
    """How many changes lie after the position, if that was asked for."""
    reset: bool
    """The position was no longer valid; this page is from the start."""


@dataclass(frozen=True, slots=True)
class Found:
    """Entities that were asked for by their ids, all as they are at one moment."""

    changes: Sequence[Change]
    """Those that ever were, also deleted ones, in the order that they were asked for."""
    head_ms: int
    """The user's head over all types, in milliseconds since the Unix epoch; 0 without changes."""
    unread: int
    """The answer was cut by size: so many of the ids, from the end, have not been looked at. Ask for them again."""
    notes: Sequence[Note] = ()
    """Those of the notes that there are, in the order that they were asked for."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A piece of a stream, in strictly increasing order of revision; an idle stream sends some without changes."""

    changes: Sequence[Change]
    checkpoint_token: str
    """Where to resume once the changes are stored; store both in one transaction."""
    caught_up: bool
    """With this batch the reader had all there was; said once, and again after each lost connection."""
    reset: bool
    """The position was no longer valid; the stream is from the start. Forget what you have."""
