"""What the rules need of a database; store/ provides it, one conformance suite holds every store to it.

Driver errors never cross this line: a store raises StoreUnavailable (unreachable, busy beyond its time limits, full)
or StoreRejected (the database refuses a value).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from syncline_server.sync.changes import Version
from syncline_server.sync.history import History
from syncline_server.sync.lookup import EntitiesQuery, StoredEntities
from syncline_server.sync.notes import StoredNote

REMEMBERED_PUSHES: Final = 64
"""So many pushes of a user and device are remembered (Q5)."""


class StoreRejected(Exception):
    """The database refused a value of a statement; a defect of ours, or of one push of a group."""


@dataclass(frozen=True, slots=True)
class LockedHead:
    """A project's head, locked until the transaction ends."""

    revision: int
    clock_us: int
    """The store's clock, µs since the Unix epoch."""
    history: History
    """No new epoch begins while the head is locked."""


class News(NamedTuple):
    """What a user's log holds that is news to one session at one position."""

    head: int
    """The user's last revision; 0 without changes."""
    by_others: bool
    """After the position there is a version that this session has not itself written, or not all of it."""


class NewsQuery(NamedTuple):
    """Asks what is news to a session after a position. An empty session has written nothing."""

    user_id: str
    session: str
    after_revision: int


ProjectNews = tuple[int, NewsQuery]
"""Asks for the news of a project."""


class ShownPosition(NamedTuple):
    """The position that a session has shown to have for one entity type (empty: for every type without its own)."""

    session_key: str
    entity_type: str
    revision: int
    user_id: str
    with_device: bool
    """It was presented by a device; else it is the furthest that was answered to a session token."""
    expires_at_us: int | None = None
    """When it may be forgotten, µs since the Unix epoch; None: when nobody has come back for long."""


class RememberedPush(NamedTuple):
    """What is kept of a push that has a push_id (Q5)."""

    key: str
    """See `Push.push_key`."""
    user_id: str
    device: str
    """Empty: not known."""
    push_id: str
    request_digest: bytes
    outcomes: bytes
    """The user's head after it, and what became of each change; see sync/retries.py."""
    expires_at_us: int
    """Until when it is remembered, µs since the Unix epoch; also the order of those of a device."""


class RecentVersion(NamedTuple):
    """One stored version on its way to many readers."""

    unclosed: bytes
    """The version, laid out but for the closing, which depends on the reader."""
    revision: int
    user_id: str
    entity_type: str
    deleted: bool
    created_revision: int


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Asks for the versions after a position, in order of revision."""

    project_id: int
    user_id: str | None
    """None: all users."""
    entity_types: tuple[str, ...]
    """Empty: all."""
    after_revision: int
    limit: int
    """0: only the heads are asked for."""
    max_bytes: int
    """The most bytes of laid out versions in a page. At least one version is returned whatever its size."""
    skip: int = 0
    include_total: bool = False
    start_revision: int = 0
    """Where the page begins, if that is past the position asked for; it decides neither actions nor the total."""
    session_key: str = ""
    """The session whose shown positions are returned, too; empty: nobody's."""


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page and the heads it is complete up to, from one snapshot (L5)."""

    changes: bytes
    """Versions, laid out for a reader at the position asked for, and joined."""
    count: int
    """How many versions are on the page."""
    last_revision: int
    """The revision of the last version on the page; 0: there is none."""
    cut: bool
    """There was more."""
    project_head: int
    user_head: int
    """0 for a user without changes, and where all users were asked for."""
    total: int
    """0 unless asked for."""
    shown: dict[str, int]
    """Entity type → position that the session has shown."""
    history: History


class SeenHead(NamedTuple):
    """How far a project's log was at a look."""

    revision: int
    epoch_id: int


@dataclass(frozen=True, slots=True)
class CircleQuery:
    """Asks for what is new to a reader, and for what is left of its circle, in one user's log."""

    page: PageQuery
    """`after_revision`: what is new lies after it. `skip` counts along the news, then the circle."""
    after: int
    end: int
    """The circle is (after, end], then (0, rest]."""
    rest: int
    begins: bool
    """It has not begun: some of its newest are asked for, too, out of turn."""


class StoredRow(NamedTuple):
    """A version among others that are too many for a page."""

    revision: int
    laid_out: bytes | None
    """None: left out, as there is enough before it."""


@dataclass(frozen=True, slots=True)
class StoredCircle:
    """What a page may hold, in the order in which it is asked for, and the heads, from one snapshot."""

    news: Sequence[StoredRow]
    """One more than fits, if there is."""
    newest: Sequence[StoredRow]
    """Up to a quarter of what the news leave, newest first; they come in the circle, too."""
    circle: Sequence[StoredRow]
    """One more than fits, if there is. To its reader each version came into being, or was deleted."""
    project_head: int
    user_head: int
    total: int
    """0 unless asked for."""
    shown: dict[str, int]
    history: History


@dataclass(frozen=True, slots=True)
class RecentPage:
    """What is new in a project, and its head, from one snapshot."""

    versions: Sequence[RecentVersion]
    cut: bool
    """There may be more."""
    head: int
    history: History


class WriteTransaction(Protocol):
    """One transaction on one project or several, from the lock of their heads to the commit.

    Keys are of the project given, or of any whose head is locked (None).
    """

    async def lock_head(self, project_id: int) -> LockedHead:
        """Lock the project's head and return it, before anything else; it is the revision of the last version."""

    async def lock_heads(self, project_ids: Collection[int], *, wait: bool) -> dict[int, LockedHead]:
        """Lock the heads of projects and return them, before anything else.

        Those that somebody else has locked are waited for, or else left out.
        """

    async def positions(self, project_id: int | None, session_keys: Collection[str]) -> dict[str, dict[str, int]]:
        """Return what sessions have shown: session key → entity type → revision."""

    async def news(self, queries: Collection[ProjectNews]) -> dict[ProjectNews, News]:
        """Return what is news, for each query."""

    async def versions(
        self, project_id: int | None, keys: Collection[str], *, max_inline_bytes: int
    ) -> dict[str, Version]:
        """Return the stored versions of these entities, without data larger than `max_inline_bytes`."""

    async def large_data(self, project_id: int, sizes: Mapping[str, int]) -> dict[str, str]:
        """Return the data of these entities; `sizes` has the bytes of each, by its key."""

    async def write(self, versions: Mapping[int, Collection[Version]]) -> None:
        """Store these versions of each project, each in the place of the one before."""

    async def save_positions(self, positions: Mapping[int, Iterable[ShownPosition]]) -> None:
        """Store what sessions of each project have shown."""

    async def remembered(self, project_id: int | None, keys: Collection[str]) -> dict[str, RememberedPush]:
        """Return the pushes with these keys that are among the last REMEMBERED_PUSHES of their user and device."""

    async def remember(self, pushes: Mapping[int, Collection[RememberedPush]]) -> None:
        """Store pushes to each project, each in the place of the one with its key."""

    async def notes(self, project_id: int | None, keys: Collection[str]) -> dict[str, StoredNote]:
        """Return notes, also expired ones that are still stored."""

    async def write_notes(self, notes: Mapping[int, Collection[StoredNote]]) -> None:
        """Store notes, each in the place of the one with its key."""

    async def forget(self, project_id: int, devices: Collection[tuple[str, str]], now_us: int) -> None:
        """Delete what is not among the last REMEMBERED_PUSHES of these users and devices, but for what has expired."""


class Store(Protocol):
    """A database that holds the log."""

    writes_at_once: int
    """So many transactions are worth having at once; each is to have what waits of many projects."""

    def writing(self) -> AbstractAsyncContextManager[WriteTransaction]:
        """Open a transaction; commits at the end of the block, rolls back on an error.

        An error at the commit leaves the outcome unknown.
        """

    async def page(self, query: PageQuery) -> StoredPage:
        """Read one page, in one statement."""

    async def entities(self, query: EntitiesQuery) -> StoredEntities:
        """Read versions by their keys, in one statement."""

    async def circle(self, query: CircleQuery) -> StoredCircle:
        """Read what a page of a circle may hold, in one statement."""

    async def recent(self, project_id: int, after_revision: int, limit: int, max_bytes: int) -> RecentPage:
        """Read the versions of all users after a position, as `page` does, for readers at any position."""

    async def heads(self, project_ids: Collection[int]) -> dict[int, SeenHead]:
        """Return how far the logs of projects are, in one statement."""
