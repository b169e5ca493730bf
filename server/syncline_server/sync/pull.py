"""What a reader gets next: one page after its position (T1, T2, L5)."""

from dataclasses import replace

from syncline_server.sync.changes import MICROSECONDS_PER_MS
from syncline_server.sync.errors import CheckpointExpired, StoreUnavailable, UnavailableError
from syncline_server.sync.history import START, Position
from syncline_server.sync.numbered import NumberedPages
from syncline_server.sync.reading import Page, PageSize, Reading
from syncline_server.sync.shown import Presented, Presenting, shown_by_pull, shows_less
from syncline_server.sync.store import PageQuery, Store, StoredPage


class Puller:
    """Reads pages, and keeps what their readers show by asking for them."""

    def __init__(self, store: Store, presenting: Presenting) -> None:
        """`presenting` stores the positions, in one order with the pushes that depend on them."""
        self._store = store
        self._numbered = NumberedPages(store)
        self._presenting = presenting

    async def pull(self, reading: Reading, size: PageSize) -> Page:
        """Read one page from where the reader is.

        Raises CheckpointExpired (unless told to start over), AnswerTooLarge (by number) and StoreUnavailable.
        """
        is_presenting = self._presenting.is_presenting(reading.session_key)
        stored = await self._stored(reading, size)
        reset = _is_of_lost_history(reading, stored)
        if reset:
            if not reading.reset_when_expired:
                raise CheckpointExpired
            reading = replace(reading, position=START, is_plain=False)
            stored = await self._stored(reading, size)
        presented = shown_by_pull(reading, stored.shown, is_presenting=is_presenting)
        if presented is not None:
            await self._present(presented, must_be_stored=is_presenting or shows_less(reading, stored.shown))
        return _page(reading, reading.position, stored, reset)

    async def _stored(self, reading: Reading, size: PageSize) -> StoredPage:
        query = _query(reading, reading.position, size)
        if size.number <= 1:
            stored = await self._store.page(query)
            if not (size.number and stored.cut):
                return stored
        return await self._numbered.page(query, size.number)

    async def _present(self, presented: Presented, *, must_be_stored: bool) -> None:
        """Store what a reader shows; where that cannot be, who shows more than is stored is answered all the same.

        What is stored is then lower than what the reader has, and the answers to its pushes skip less than they might.
        """
        try:
            await self._presenting.present(presented)
        except UnavailableError:
            if must_be_stored:
                raise

    async def read_on(self, reading: Reading, position: Position, size: PageSize) -> Page:
        """Read one page from a position that this server has itself come to, for the same reader.

        Raises CheckpointExpired, or StoreUnavailable where the reader is to start over with its next call instead.
        """
        stored = await self._store.page(_query(reading, position, size))
        if not stored.history.holds(position, stored.project_head):
            raise StoreUnavailable if reading.reset_when_expired else CheckpointExpired
        return _page(reading, position, stored, False)


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


def _is_of_lost_history(reading: Reading, stored: StoredPage) -> bool:
    """Tell whether the reader's position is of a history that is lost.

    A plain revision may be a time, so it is held against the history only where the reader is ready to start over; then
    the user's head counts, to the millisecond, since that is what such a reader was given.
    """
    if not reading.is_plain:
        return not stored.history.holds(reading.position, stored.project_head)
    if not reading.reset_when_expired:
        return False
    head = _head(reading, stored)
    at_ms, head_ms = reading.position.revision // MICROSECONDS_PER_MS, head // MICROSECONDS_PER_MS
    return at_ms > head_ms or (at_ms < head_ms and stored.history.lacks_time(at_ms * MICROSECONDS_PER_MS))


def _page(reading: Reading, position: Position, stored: StoredPage, reset: bool) -> Page:
    head = _head(reading, stored)
    # Never a plain revision that was asked for: it may be a time at which the log has yet to arrive.
    end = head if reading.is_plain else max(head, position.revision)
    next_revision = stored.last_revision if stored.cut else end
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


def _head(reading: Reading, stored: StoredPage) -> int:
    """Return the head of what is read: a user's log, or the whole project's."""
    return stored.user_head if reading.user_id is not None else stored.project_head
