"""What a reader asks for, and the page that answers it."""

from dataclasses import dataclass

from syncline_server.sync.circle import FROM_START, Checkpoint
from syncline_server.sync.history import History


@dataclass(frozen=True, slots=True)
class Reading:
    """Whose log is read, by whom, from where."""

    project_id: int
    user_id: str | None
    """None: all users."""
    session_key: str
    """The session that shows its position by reading (P9); empty: nobody's position is kept."""
    entity_types: tuple[str, ...]
    """Empty: all."""
    checkpoint: Checkpoint = FROM_START
    """What the reader has."""
    is_plain: bool = False
    """It is a plain revision, which may be a time: it has no epoch, and nobody vouches for it."""
    reset_when_expired: bool = False
    """Start over where the checkpoint is of a lost history, instead of failing with CheckpointExpired."""
    device_known: bool = False
    """The session is a device; else a session token."""
    kinds: tuple[bytes, ...] = ()
    """The entity types that the answer's checkpoint is to show for."""


@dataclass(frozen=True, slots=True)
class PageSize:
    """How much a page may hold, and what else is asked of it."""

    limit: int
    """The most changes; 0: only the head is asked for."""
    max_bytes: int
    """The most bytes of changes; one change is returned whatever its size."""
    skip: int = 0
    include_total: bool = False
    number: int = 0
    """Which of the pages of `limit` changes after the position, from 1 (T5); 0: the page at the position."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page, ready for its reader."""

    changes: bytes
    """Versions, laid out for this reader and joined."""
    count: int
    """How many changes are on the page."""
    checkpoint: Checkpoint
    """What the token to return stands for.

    Where there is no more it is of the user's head, so that an idle user's token stays the same, also where others lose
    changes.
    """
    complete_revision: int
    """Up to here there is nothing new to the reader; past the user's head, since the log is shared by all users."""
    has_more: bool
    head_ms: int
    """The user's head; 0 for a user without changes, and where all users were asked for."""
    total: int
    reset: bool
    """The checkpoint that was asked for is of a lost history; the page is from the start."""
    history: History
    """The history that the revisions are of."""
