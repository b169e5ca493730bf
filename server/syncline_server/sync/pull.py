"""What a reader gets next: one page of what its checkpoint leaves (T1, T2, L5, P10)."""

from collections.abc import Callable
from dataclasses import replace

from syncline_server.sync.again import Places, fill
from syncline_server.sync.changes import MICROSECONDS_PER_MS
from syncline_server.sync.circle import FROM_START, Checkpoint, after_circle, after_page, begun_at, unmoved
from syncline_server.sync.errors import CheckpointExpired, StoreUnavailable, UnavailableError
from syncline_server.sync.numbered import NumberedPages
from syncline_server.sync.reading import Page, PageSize, Reading
from syncline_server.sync.shown import Presented, Presenting, answered_by_pull, shown_by_pull, shows_less
from syncline_server.sync.store import CircleQuery, PageQuery, Store, StoredCircle, StoredPage


class Puller:
    """Reads pages, and keeps what their readers show by asking for them."""

    def __init__(self, store: Store, presenting: Presenting, on_again: Callable[[int], object]) -> None:
        """`presenting` stores the positions, in one order with the pushes that depend on them.

        `on_again` is called with the number of versions that a page of a circle brings again.
        """
        self._store = store
        self._numbered = NumberedPages(store)
        self._presenting = presenting
        self._on_again = on_again
        self._places = Places()

    async def pull(self, reading: Reading, size: PageSize) -> Page:
        """Read one page from where the reader is.

        Raises CheckpointExpired (unless told to start over), AnswerTooLarge (by number) and StoreUnavailable.
        """
        is_presenting = self._presenting.is_presenting(reading.session_key)
        stored, asked = await self._read(reading, reading.checkpoint, size)
        reset = _is_of_lost_history(reading, stored)
        if reset:
            if not reading.reset_when_expired:
                raise CheckpointExpired
            reading = replace(reading, checkpoint=FROM_START)
            stored, asked = await self._read(reading, FROM_START, size)
        page = replace(self._page(reading, asked, size, stored), reset=reset)
        await self._keep(reading, page, stored.shown, is_presenting=is_presenting)
        return page

    async def _keep(self, reading: Reading, page: Page, shown: dict[str, int], *, is_presenting: bool) -> None:
        """Keep what a device shows by its pull, or how far a session has been answered that has no device."""
        if reading.device_known:
            presented = shown_by_pull(reading, shown, is_presenting=is_presenting)
            must_be_stored = is_presenting or shows_less(reading, shown)
        else:
            presented, must_be_stored = answered_by_pull(reading, page.checkpoint, shown), False
        if presented is not None:
            await self._present(presented, must_be_stored=must_be_stored)

    async def _present(self, presented: Presented, *, must_be_stored: bool) -> None:
        """Store what a reader shows; where that cannot be, who shows more than is stored is answered all the same.

        What is stored is then lower than what the reader has, and the answers to its pushes skip less than they might.
        """
        try:
            await self._presenting.present(presented)
        except UnavailableError:
            if must_be_stored:
                raise

    async def read_on(self, reading: Reading, checkpoint: Checkpoint, size: PageSize) -> Page:
        """Read one page from a checkpoint that this server has itself come to, for the same reader.

        Raises CheckpointExpired, or StoreUnavailable where the reader is to start over with its next call instead.
        """
        stored, asked = await self._read(reading, checkpoint, size)
        if not stored.history.holds(checkpoint.vouched, stored.project_head):
            raise StoreUnavailable if reading.reset_when_expired else CheckpointExpired
        return self._page(reading, asked, size, stored)

    async def _read(
        self, reading: Reading, checkpoint: Checkpoint, size: PageSize
    ) -> tuple[StoredPage | StoredCircle, Checkpoint]:
        """Read what a page may hold, and return the checkpoint with its circle begun."""
        query = _query(reading, checkpoint, size)
        if not checkpoint.end or not size.limit or size.number:
            return await self._read_page(query, size.number), checkpoint
        begins = checkpoint.after == -1
        begun = begun_at(checkpoint, self._places.of(reading)) if begins else checkpoint
        asked = CircleQuery(query, begun.after, begun.end, begun.rest, begins=begins and not size.skip)
        return await self._store.circle(asked), begun

    async def _read_page(self, query: PageQuery, number: int) -> StoredPage:
        if number <= 1:
            stored = await self._store.page(query)
            if not (number and stored.cut):
                return stored
        return await self._numbered.page(query, number)

    def _page(self, reading: Reading, asked: Checkpoint, size: PageSize, stored: StoredPage | StoredCircle) -> Page:
        """Make a page of what was read."""
        if isinstance(stored, StoredPage):
            following = _following(reading, asked, size, stored)
            return _page(stored, stored.changes, stored.count, following, has_more=stored.cut)
        chosen, head = fill(stored, asked, size), max(stored.user_head, asked.head)
        revision = chosen.news[-1].revision if chosen.news_cut else head
        following = after_circle(asked, stored.history, revision, head, chosen.left, reading.kinds)
        if size.skip:
            following = unmoved(reading.checkpoint, stored.history, head)
        else:
            self._places.move(reading, chosen.circle)
            self._on_again(len(chosen.newest) + len(chosen.circle))
        changes = b"".join([row.laid_out or b"" for row in chosen.rows])
        has_more = chosen.news_cut or any(chosen.left)
        return _page(stored, changes, len(chosen.rows), following, has_more=has_more)


def _query(reading: Reading, checkpoint: Checkpoint, size: PageSize) -> PageQuery:
    return PageQuery(
        project_id=reading.project_id,
        user_id=reading.user_id,
        entity_types=reading.entity_types,
        after_revision=checkpoint.revision,
        limit=size.limit,
        max_bytes=size.max_bytes,
        skip=size.skip,
        include_total=size.include_total,
        session_key=reading.session_key,
    )


def _is_of_lost_history(reading: Reading, stored: StoredPage | StoredCircle) -> bool:
    """Tell whether the reader's checkpoint is of a history that is lost.

    A plain revision may be a time, so it is held against the history only where the reader is ready to start over; then
    the user's head counts, to the millisecond, since that is what such a reader was given.
    """
    if not reading.is_plain:
        return not stored.history.holds(reading.checkpoint.vouched, stored.project_head)
    if not reading.reset_when_expired:
        return False
    head = _head(reading, stored)
    at_ms, head_ms = reading.checkpoint.revision // MICROSECONDS_PER_MS, head // MICROSECONDS_PER_MS
    return at_ms > head_ms or (at_ms < head_ms and stored.history.lacks_time(at_ms * MICROSECONDS_PER_MS))


def _page(
    stored: StoredPage | StoredCircle, changes: bytes, count: int, following: Checkpoint, *, has_more: bool
) -> Page:
    return Page(
        changes=changes,
        count=count,
        checkpoint=following,
        complete_revision=following.revision if has_more else max(following.revision, stored.project_head),
        has_more=has_more,
        head_ms=stored.user_head // MICROSECONDS_PER_MS,
        total=stored.total,
        reset=False,
        history=stored.history,
    )


def _following(reading: Reading, asked: Checkpoint, size: PageSize, stored: StoredPage) -> Checkpoint:
    """Return what the reader of a page has."""
    head = _head(reading, stored)
    if not reading.is_plain:
        # A plain revision that was asked for may be a time at which the log has yet to arrive.
        head = max(head, asked.head)
        if size.skip or size.number > 1 or (size.number and asked.end):
            # What the page passes over, its reader may lack. By number there is no circle.
            return unmoved(asked, stored.history, head)
    return after_page(asked, stored.history, stored.last_revision if stored.cut else head, head, reading.kinds)


def _head(reading: Reading, stored: StoredPage | StoredCircle) -> int:
    """Return the head of what is read: a user's log, or the whole project's."""
    return stored.user_head if reading.user_id is not None else stored.project_head
