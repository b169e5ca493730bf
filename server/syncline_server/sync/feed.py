"""Streams of changes: catching up and following live are two states of one reader (T3).

The contract of `Feed.follow`, for one reading:
- It starts at what the reader's checkpoint leaves, and yields versions in strictly increasing order of revision.
- Nothing is skipped: a reader registers for wake-ups before it reads, and wake-ups carry no data. Catching up, it reads
  from the store; live, from the window that its process shares (see live.py), and from the store again when it has
  fallen out of that.
- The first piece comes at once, even when nothing is new; `caught_up` is true in one piece.
- It ends by itself only when it has caught up and was not asked to follow on. Otherwise it ends with one of:
  CheckpointExpired (before the first piece, and when the database goes back behind the reader's
  position; start over), SessionExpired (sign in again, resume), Draining and StoreUnavailable (resume). To resume is to
  read again from the last token that was received.
- Where the reading is to start over instead, the first piece says so. Later on such a stream ends with
  StoreUnavailable: its reader resumes, and is told in the first piece of the next.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from syncline_server.sync.circle import after_page
from syncline_server.sync.errors import Draining, SessionExpired
from syncline_server.sync.layout import Layout, action_of
from syncline_server.sync.live import LiveLog, Wakeup, monotonic
from syncline_server.sync.pull import Puller
from syncline_server.sync.reading import Page, PageSize, Reading
from syncline_server.sync.store import RecentVersion, Store
from syncline_server.sync.watch import LogWatch


@dataclass(frozen=True, slots=True)
class StreamPiece:
    """What a stream sends at once: a page, or only a checkpoint."""

    page: Page
    caught_up: bool


class Feed:
    """Follows logs for readers, and wakes those that a commit concerns."""

    def __init__(
        self,
        store: Store,
        puller: Puller,
        layout: Layout,
        *,
        piece_size: PageSize,
        heartbeat_seconds: float,
        poll_seconds: float | None,
    ) -> None:
        """An idle stream gets a checkpoint every `heartbeat_seconds`; see LogWatch for `poll_seconds`."""
        self._store = store
        self._puller = puller
        self._closings = layout.closings
        self._piece_size = piece_size
        self._heartbeat_seconds = heartbeat_seconds
        self._logs: dict[int, LiveLog] = {}
        tick_seconds = min(1.0, heartbeat_seconds / 10)
        self._watch = LogWatch(store, self._logs, monotonic, tick_seconds=tick_seconds, poll_seconds=poll_seconds)
        self._draining = False

    def nudge(self, project_id: int) -> None:
        """Look for what a commit of any process may have brought."""
        if log := self._logs.get(project_id):
            log.nudge()

    def nudge_all(self) -> None:
        """Look everywhere: nudges may have been lost."""
        for log in self._logs.values():
            log.nudge()

    def drain(self) -> None:
        """End all streams with Draining: each resumes elsewhere from the last token that it got."""
        self._draining = True
        for log in self._logs.values():
            log.wake_all()

    def lag_seconds(self) -> float:
        """Return for how long the slowest log has had something that was not read yet."""
        return max(self._watch.lag_seconds(), *(log.lag_seconds() for log in self._logs.values()), 0.0)

    async def close(self) -> None:
        """Stop reading."""
        await self._watch.close()
        for log in self._logs.values():
            await log.close()

    async def follow(
        self, reading: Reading, *, follow: bool, expires_at: float | None = None
    ) -> AsyncGenerator[StreamPiece, None]:
        """Yield pieces, as this module's docstring says; `expires_at` is the end of the session, in epoch seconds."""
        log = self._log(reading.project_id)
        user_id = reading.user_id
        wakeup = log.attach(user_id) if follow else Wakeup()
        ahead: asyncio.Task[Page] | None = None
        try:
            page = await self._puller.pull(reading, self._piece_size)
            # From here on the position is this server's own: no longer a time that lies ahead, nor news of the reader.
            reading = replace(reading, is_plain=False, session_key="")
            caught_up, sent_at = False, -self._heartbeat_seconds
            while True:
                newly_caught_up = not caught_up and not page.has_more
                if page.changes or newly_caught_up or monotonic() >= sent_at + self._heartbeat_seconds:
                    caught_up = caught_up or newly_caught_up
                    if page.has_more:
                        # While the reader takes this piece.
                        ahead = self._read_ahead(reading, page, wakeup)
                    piece = [StreamPiece(page, newly_caught_up)]
                    page = replace(page, changes=b"")
                    # Nothing of it stays here while the reader takes its time.
                    yield piece.pop()
                    sent_at = monotonic()
                if caught_up and not follow:
                    return
                self._check(expires_at)
                page = await (ahead or self._next(reading, page, log, wakeup))
                ahead = None
                if not page.changes and not page.has_more:
                    # What has come since the look at the window has set the wake-up.
                    await wakeup.wait(self._due(sent_at, expires_at))
        finally:
            if ahead:
                ahead.cancel()
            if follow:
                log.detach(user_id, wakeup)

    def _read_ahead(self, reading: Reading, page: Page, wakeup: Wakeup) -> "asyncio.Task[Page]":
        """Begin to read what comes after a page; what comes from then on sets the wake-up."""
        wakeup.clear()
        size = _fitting(self._piece_size, page)
        task = asyncio.create_task(self._puller.read_on(reading, page.checkpoint, size))
        task.add_done_callback(_retrieve_error)
        return task

    async def _next(self, reading: Reading, page: Page, log: LiveLog, wakeup: Wakeup) -> Page:
        """Return what comes after the last page, or how far the log is now without anything for this reader."""
        wakeup.clear()
        if not log.knows_head:
            return page
        recent = self._recent(reading, page, log)
        if recent is not None:
            return recent
        page = await self._puller.read_on(reading, page.checkpoint, self._piece_size)
        if log.history.epoch_id != page.history.epoch_id:
            log.nudge()  # the window is of the epoch before
        return page

    def _recent(self, reading: Reading, page: Page, log: LiveLog) -> Page | None:
        """Return what the shared window has after a page; None: it does not reach back so far, or is of a new epoch."""
        changes = log.since(reading.user_id, page.complete_revision)
        if changes is None or log.history.epoch_id != page.history.epoch_id:
            return None
        wanted = [
            change for change in changes if not reading.entity_types or change.entity_type in reading.entity_types
        ]
        kept = _cut(wanted, self._piece_size)
        cut = len(kept) < len(wanted)
        newest = max(log.position, page.complete_revision)
        complete = kept[-1].revision if cut else newest
        # A user's head, or the project's.
        head = newest if reading.user_id is None else changes[-1].revision if changes else page.checkpoint.head
        return replace(
            page,
            changes=b"".join([self._laid_out(version, page.complete_revision) for version in kept]),
            count=len(kept),
            checkpoint=after_page(page.checkpoint, log.history, complete if cut else head, head, reading.kinds),
            complete_revision=complete,
            has_more=cut,
            reset=False,
        )

    def _laid_out(self, version: RecentVersion, after_revision: int) -> bytes:
        return version.unclosed + self._closings[action_of(version.deleted, version.created_revision, after_revision)]

    def _check(self, expires_at: float | None) -> None:
        if self._draining:
            raise Draining
        if expires_at is not None and time.time() >= expires_at:
            raise SessionExpired

    def _due(self, sent_at: float, expires_at: float | None) -> float:
        """Return when a heartbeat or the end of the session is due, by the monotonic clock."""
        due = sent_at + self._heartbeat_seconds
        return due if expires_at is None else min(due, monotonic() + expires_at - time.time())

    def _log(self, project_id: int) -> LiveLog:
        log = self._logs.get(project_id)
        if log is None:
            log = self._logs[project_id] = LiveLog(self._store, project_id, monotonic)
            self._watch.start()
        return log


def _retrieve_error(reading_ahead: "asyncio.Task[Page]") -> None:
    """Retrieve an error, which asyncio would log: the stream may have ended before it would have met it."""
    if not reading_ahead.cancelled():
        reading_ahead.exception()


def _fitting(most: PageSize, page: Page) -> PageSize:
    """Return how much to ask for so that it is likely to fit, by the last page: the store reads twice what does not."""
    fitting = most.max_bytes * page.count * 9 // (len(page.changes) * 10) if page.count else most.limit
    return replace(most, limit=max(min(fitting, most.limit), 1))


def _cut(changes: list[RecentVersion], size: PageSize) -> list[RecentVersion]:
    """Return the first changes that fit into a piece, one at least."""
    size_bytes = 0
    for index, change in enumerate(changes[: size.limit]):
        size_bytes += len(change.unclosed)
        if size_bytes > size.max_bytes and index > 0:
            return changes[:index]
    return changes[: size.limit]
