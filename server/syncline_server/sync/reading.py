"""What a reader asks for, and the page that answers it."""

from dataclasses import dataclass

from syncline_server.sync.history import START, History, Position


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
    position: Position = START
    """The reader has everything up to here."""
    is_plain: bool = False
    """The position is a plain revision, which may be a time: it has no epoch, and nobody vouches for it."""
    reset_when_expired: bool = False
    """Start over where the position is of a lost history, instead of failing with CheckpointExpired."""
    device_known: bool = False
    """The session is a device; else a session token."""


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
    next_revision: int
    """The user's head, so that an idle user's token stays the same, also where others lose changes."""
    complete_revision: int
    """Up to here the reader has everything; at or past `next_revision`, since the log is shared by all users."""
    has_more: bool
    head_ms: int
    """The user's head; 0 for a user without changes, and where all users were asked for."""
    total: int
    reset: bool
    """The position that was asked for is of a lost history; the page is from the start."""
    history: History
    """The history that the revisions are of."""

    @property
    def next_position(self) -> Position:
        """The position that the token to return stands for."""
        return self.history.at(self.next_revision)
