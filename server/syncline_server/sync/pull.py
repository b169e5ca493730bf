"""What a reader gets next: one page after its position (T1, T2, L5)."""

from dataclasses import dataclass, replace

from syncline_server.sync.changes import MICROSECONDS_PER_MS
from syncline_server.sync.checkpoint import CheckpointCodec
from syncline_server.sync.errors import CheckpointExpired, StoreUnavailable
from syncline_server.sync.history import START, History, Position
from syncline_server.sync.push import Presented, Pusher
from syncline_server.sync.store import PageQuery, Store, StoredPage


@dataclass(frozen=True, slots=True)
class Reading:
    """Whose log is read, by whom, from where."""

    project_id: int
    user_id: str | None
    """None: all users."""
    session_key: str
    """Whose position is noted for P9; empty: nobody's."""
    entity_types: tuple[str, ...]
    checkpoint_token: str = ""
    after_revision: int | None = None
    """Used when there is no token; None: from the start."""
    reset_when_expired: bool = False


@dataclass(frozen=True, slots=True)
class PageSize:
    """How much a page may hold, and what else is asked of it."""

    limit: int
    """0: only the head is asked for."""
    max_bytes: int
    skip: int = 0
    include_total: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page, ready for its reader."""

    changes: bytes
    """Versions, laid out for this reader and joined."""
    count: int
    """How many these are."""
    next_revision: int
    """The user's head, so that an idle user's token stays the same, also where others lose changes."""
    complete_revision: int
    """Up to here the reader has everything; at or past `next_revision`, since the log is shared by all users."""
    has_more: bool
    head_ms: int
    """The user's head; 0 for a user without changes, and where all users were asked for."""
    total: int
    reset: bool
    history: History
    """That the revisions are of."""

    @property
    def next_position(self) -> Position:
        """Of the token to return."""
        return self.history.at(self.next_revision)


class Puller:
    """Reads pages, and notes what their readers have shown to have."""

    def __init__(self, store: Store, pusher: Pusher, checkpoints: CheckpointCodec) -> None:
        """`pusher` stores the positions, in one order with the pushes that depend on them."""
        self._store = store
        self._pusher = pusher
        self._checkpoints = checkpoints

    async def pull(self, reading: Reading, size: PageSize) -> Page:
        """Read one page from where the reader is.

        Raises CheckpointInvalid, CheckpointExpired (unless told to start over) and StoreUnavailable.
        """
        is_presenting = self._pusher.is_presenting(reading.session_key)
        try:
            position = self._position(reading)
            stored = await self._store.page(_query(reading, position, size))
            _check_history(reading, position, stored)
            reset = False
        except CheckpointExpired:
            if not reading.reset_when_expired:
                raise
            reading, position, reset = replace(reading, checkpoint_token="", after_revision=None), START, True
            stored = await self._store.page(_query(reading, position, size))
        await self._note(reading, position, stored, is_presenting)
        return _page(reading, position, stored, reset)

    async def read_on(self, reading: Reading, position: Position, size: PageSize) -> Page:
        """Read one page from a position that this server has itself come to, for the same reader.

        Raises CheckpointExpired, or StoreUnavailable where the reader is to start over with its next call instead.
        """
        stored = await self._store.page(_query(reading, position, size))
        if not stored.history.holds(position, stored.project_head):
            raise StoreUnavailable if reading.reset_when_expired else CheckpointExpired
        return _page(reading, position, stored, False)

    def _position(self, reading: Reading) -> Position:
        """Return where the reader is; a plain revision has no epoch."""
        if reading.checkpoint_token:
            tag = self._checkpoints.scope_tag(reading.project_id, reading.user_id)
            return self._checkpoints.decode(tag, reading.checkpoint_token)
        return START._replace(revision=max(reading.after_revision or 0, 0))

    async def _note(self, reading: Reading, position: Position, stored: StoredPage, is_presenting: bool) -> None:
        """Note the position that the session has presented, if that is news (P9).

        While another is on its way into the store, it is always news.
        """
        if reading.user_id is None or not reading.session_key:
            return
        before = [stored.shown.get(kind, stored.shown.get("", 0)) for kind in reading.entity_types]
        if not reading.entity_types:
            before = [stored.shown.get("", 0), *stored.shown.values()]
        falls = any(shown > position.revision for shown in before)
        # A revision is no proof of having read up to it, but of not having read past it.
        rises = any(shown < position.revision for shown in before) and reading.after_revision is None
        if falls or rises or is_presenting:
            presented = Presented(
                reading.project_id,
                reading.user_id,
                reading.session_key,
                reading.entity_types,
                position,
                only_lowers=reading.after_revision is not None,
            )
            await self._pusher.present(presented)


def _query(reading: Reading, position: Position, size: PageSize) -> PageQuery:
    return PageQuery(
        project_id=reading.project_id,
        user_id=reading.user_id,
        entity_types=reading.entity_types,
        after_revision=position.revision,
        limit=size.limit,
        max_bytes=size.max_bytes,
        skip=size.skip,
        include_total=size.include_total,
        session_key=reading.session_key,
    )


def _check_history(reading: Reading, position: Position, stored: StoredPage) -> None:
    """Refuse a position of a history that is lost.

    A plain revision may be a time, so it is held against the history only where the reader is ready to start over; then
    the user's head counts, to the millisecond, since that is what such a reader was given.
    """
    if reading.checkpoint_token:
        lost = not stored.history.holds(position, stored.project_head)
    else:
        head = stored.user_head if reading.user_id is not None else stored.project_head
        at_ms, head_ms = position.revision // MICROSECONDS_PER_MS, head // MICROSECONDS_PER_MS
        is_lost = at_ms > head_ms or (at_ms < head_ms and stored.history.lacks_time(at_ms * MICROSECONDS_PER_MS))
        lost = reading.reset_when_expired and is_lost
    if lost:
        raise CheckpointExpired


def _page(reading: Reading, position: Position, stored: StoredPage, reset: bool) -> Page:
    head = stored.user_head if reading.user_id is not None else stored.project_head
    if stored.cut:
        next_revision = stored.last_revision
    elif reading.after_revision is None:
        next_revision = max(head, position.revision)
    else:
        # Not the revision that was asked for: it may be a time at which the log has yet to arrive.
        next_revision = head
    return Page(
        changes=stored.changes,
        count=stored.count,
        next_revision=next_revision,
        complete_revision=next_revision if stored.cut else max(next_revision, stored.project_head),
        has_more=stored.cut,
        head_ms=stored.user_head // MICROSECONDS_PER_MS,
        total=stored.total,
        reset=reset,
        history=stored.history,
    )
