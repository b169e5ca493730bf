"""Streams of changes: catching up and following live are two states of one reader (T3).

The contract of `Feed.follow`, for one reading:
- It starts after the reader's position, exclusively, and yields versions in strictly increasing order of revision.
- Nothing is skipped: a reader registers for wake-ups before it reads, and reads for itself; wake-ups carry no data.
- The first batch comes at once, even when nothing is new; `caught_up` is true in one batch.
- It ends by itself only when it has caught up and was not asked to follow on. Otherwise it ends with one of:
  CheckpointInvalid, CheckpointExpired (before the first batch; start over), SessionExpired (sign in again, resume),
  Draining and StoreUnavailable (resume). To resume is to read again from the last token that was received.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from syncline_server.sync.errors import Draining, SessionExpired
from syncline_server.sync.pull import Page, PageSize, Puller, Reading
from syncline_server.sync.push import Committed


@dataclass(frozen=True, slots=True)
class Batch:
    """A piece of a stream: a page, or only a checkpoint."""

    page: Page
    caught_up: bool


class Feed:
    """Wakes the readers that a commit concerns, and reads on for them."""

    def __init__(self, puller: Puller, *, batch_size: PageSize, heartbeat_seconds: float) -> None:
        """An idle stream gets a checkpoint every `heartbeat_seconds`."""
        self._puller = puller
        self._batch_size = batch_size
        self._heartbeat_seconds = heartbeat_seconds
        self._wakeups: defaultdict[tuple[int, str | None], set[asyncio.Event]] = defaultdict(set)
        self._draining = False

    def committed(self, commit: Committed) -> None:
        """Wake the readers of the users that a commit brought something for, and those of the whole project."""
        for user_id in (None, *commit.users):
            for wakeup in self._wakeups.get((commit.project_id, user_id), ()):
                wakeup.set()

    def drain(self) -> None:
        """End all streams, each after a last checkpoint."""
        self._draining = True
        for wakeups in self._wakeups.values():
            for wakeup in wakeups:
                wakeup.set()

    async def follow(self, reading: Reading, *, follow: bool, expires_at: float | None = None) -> AsyncIterator[Batch]:
        """Yield batches, as this module's docstring says; `expires_at` is the end of the session, in epoch seconds."""
        with self._wakeup(reading) as wakeup:
            page = await self._puller.pull(reading, self._batch_size)
            # From here on the position is this server's own: no longer a time that lies ahead, nor news of the reader.
            reading = replace(reading, checkpoint_token="", after_revision=None, session_key="")
            caught_up, sent_at = False, -self._heartbeat_seconds
            while True:
                newly_caught_up = not caught_up and not page.has_more
                if page.rows or newly_caught_up or time.monotonic() >= sent_at + self._heartbeat_seconds:
                    caught_up = caught_up or newly_caught_up
                    yield Batch(page, newly_caught_up)
                    sent_at = time.monotonic()
                if caught_up and not follow:
                    return
                if not page.has_more and not self._draining:
                    await self._wait(wakeup, sent_at, expires_at)
                _check_session(expires_at)
                wakeup.clear()
                page = await self._next_page(reading, page)

    async def _next_page(self, reading: Reading, page: Page) -> Page:
        if self._draining:
            raise Draining
        return await self._puller.read_on(reading, page.next_revision, self._batch_size)

    async def _wait(self, wakeup: asyncio.Event, sent_at: float, expires_at: float | None) -> None:
        """Wait for news, at most until a heartbeat or the end of the session is due."""
        seconds = max(0.0, sent_at + self._heartbeat_seconds - time.monotonic())
        if expires_at is not None:
            seconds = max(0.0, min(seconds, expires_at - time.time()))
        try:
            async with asyncio.timeout(seconds):
                await wakeup.wait()
        except TimeoutError:
            pass

    @contextmanager
    def _wakeup(self, reading: Reading) -> Iterator[asyncio.Event]:
        scope = (reading.project_id, reading.user_id)
        wakeup = asyncio.Event()
        self._wakeups[scope].add(wakeup)
        try:
            yield wakeup
        finally:
            self._wakeups[scope].discard(wakeup)
            if not self._wakeups[scope]:
                del self._wakeups[scope]


def _check_session(expires_at: float | None) -> None:
    if expires_at is not None and time.time() >= expires_at:
        raise SessionExpired
