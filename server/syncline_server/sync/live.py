"""The recent changes of one project, read from the store once for all readers of it in this process."""

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable
from itertools import takewhile
from typing import Final

from syncline_server.sync.errors import StoreUnavailable
from syncline_server.sync.history import History
from syncline_server.sync.store import RecentPage, RecentVersion, SeenHead, Store

_log = logging.getLogger(__name__)

_READ_CHANGES: Final = 1000
_READ_BYTES: Final = 1024 * 1024
_WINDOW_CHANGES: Final = 4000
_WINDOW_BYTES: Final = 4 * 1024 * 1024
_RETRY_SECONDS: Final = 0.5


class Wakeup:
    """Wakes one reader. An asyncio.Event with a timeout would take 2 KiB more a stream; its log looks at the time."""

    __slots__ = ("_is_set", "_waiting", "due_at")

    def __init__(self) -> None:
        """Start unset."""
        self._is_set = False
        self._waiting: asyncio.Future[None] | None = None
        self.due_at = 0.0
        """When to wake the reader in any case, by the monotonic clock."""

    def set(self) -> None:
        """Wake the reader now, or as soon as it waits."""
        self._is_set = True
        self.wake()

    def clear(self) -> None:
        """Forget that it was set."""
        self._is_set = False

    def wait(self, due_at: float) -> "asyncio.Future[None]":
        """Return what to await: it is done when this is set, or soon after `due_at`."""
        self.due_at = due_at
        self._waiting = asyncio.get_running_loop().create_future()
        if self._is_set:
            self.wake()
        return self._waiting

    def wake(self) -> None:
        """Wake the reader if it waits."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class LiveLog:
    """A bounded window of a project's latest changes, and the readers that wait for more.

    The window holds every change after `floor` up to `position`. A reader whose position is before the floor has
    fallen out of it and reads from the store until it is back. Wake-ups carry no data and go only to readers whose
    user something came for, and to those of the whole project.
    """

    def __init__(self, store: Store, project_id: int, now: Callable[[], float]) -> None:
        """Look for changes when nudged."""
        self._store = store
        self._project_id = project_id
        self._now = now
        self._nudged = asyncio.Event()
        self._wakeups: defaultdict[str | None, set[Wakeup]] = defaultdict(set)
        self._window: deque[RecentVersion] = deque()
        self._of_user: defaultdict[str, deque[RecentVersion]] = defaultdict(deque)
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._behind_since: float | None = None
        self.floor: int | None = None
        """None: the head has yet to be read."""
        self.position = 0
        self.history = History(0)
        """The history that the window is a part of."""

    def nudge(self) -> None:
        """Say that there may be something new."""
        if self._task is None:
            return
        if self._behind_since is None:
            self._behind_since = self._now()
        self._nudged.set()

    def compare(self, seen: SeenHead) -> None:
        """Look for changes if the head is another than the window knows."""
        if self.floor is not None and seen != (self.position, self.history.epoch_id):
            self.nudge()

    def wake_due(self, now: float) -> None:
        """Wake readers whose time has come: a heartbeat, or the end of a session."""
        for wakeups in self._wakeups.values():
            for wakeup in wakeups:
                if wakeup.due_at <= now:
                    wakeup.wake()

    def wake_all(self) -> None:
        """Wake every reader, for a reason that is not in the log."""
        for wakeups in self._wakeups.values():
            for wakeup in wakeups:
                wakeup.set()

    @property
    def is_followed(self) -> bool:
        """Tell whether there are readers."""
        return self._task is not None

    @property
    def knows_head(self) -> bool:
        """Tell whether there is a window yet; every reader is woken when there is."""
        return self.floor is not None

    def lag_seconds(self) -> float:
        """Return for how long there has been something that was not read yet."""
        return 0.0 if self._behind_since is None else self._now() - self._behind_since

    def since(self, user_id: str | None, revision: int) -> list[RecentVersion] | None:
        """Return the changes of a user (None: all) after `revision`; None: the window does not reach back so far."""
        if self.floor is None or revision < self.floor:
            return None
        changes = self._window if user_id is None else self._of_user.get(user_id, ())
        newest_first = takewhile(lambda change: change.revision > revision, reversed(changes))
        return list(newest_first)[::-1]

    def attach(self, user_id: str | None) -> Wakeup:
        """Register a reader: it is woken when something came for it. `detach` it in the end."""
        wakeup = Wakeup()
        self._wakeups[user_id].add(wakeup)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"live-log-{self._project_id}")
        return wakeup

    def detach(self, user_id: str | None, wakeup: Wakeup) -> None:
        """Let a reader go."""
        self._wakeups[user_id].discard(wakeup)
        if not self._wakeups[user_id]:
            del self._wakeups[user_id]
        if not self._wakeups:
            self._stop()

    async def close(self) -> None:
        """Stop reading."""
        self._stop()
        if self._ending:
            await asyncio.wait(self._ending)

    def _stop(self) -> None:
        """End, and forget the window: to keep it current for nobody costs, and to go on from it later costs more."""
        if self._task is not None:
            self._task.cancel()
            self._ending.add(self._task)
            self._task.add_done_callback(self._ending.discard)
        self._task = self._behind_since = None
        self._forget()

    def _forget(self) -> None:
        self.floor, self.position = None, 0
        self._window.clear()
        self._of_user.clear()
        self._bytes = 0

    async def _run(self) -> None:
        while True:
            self._nudged.clear()
            try:
                stored = await self._read()
            except StoreUnavailable:
                # The readers stay; what they miss is in the log.
                self.nudge()
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            except Exception:
                _log.exception("the live log of project %d could not be read", self._project_id)
                self.nudge()
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            self._take(stored)
            if not stored.cut:
                await self._nudged.wait()

    async def _read(self) -> RecentPage:
        limit = 0 if self.floor is None else _READ_CHANGES
        return await self._store.recent(self._project_id, self.position, limit, _READ_BYTES)

    def _take(self, stored: RecentPage) -> None:
        if stored.history.epoch_id != self.history.epoch_id:
            # The window may be of a history that is lost. Each reader finds out whether its position is, too.
            self._forget()
        if self.floor is None:
            # A reader that waits at an older position reads from the store first.
            self.history = stored.history
            self.floor = self.position = stored.head
            self.wake_all()
            return
        for version in stored.versions:
            self._window.append(version)
            self._of_user[version.user_id].append(version)
            self._bytes += len(version.unclosed)
        self.position = stored.versions[-1].revision if stored.cut else max(self.position, stored.head)
        self._trim()
        self._wake(stored)
        if not stored.cut and not self._nudged.is_set():
            self._behind_since = None

    def _trim(self) -> None:
        while len(self._window) > _WINDOW_CHANGES or self._bytes > _WINDOW_BYTES:
            oldest = self._window.popleft()
            of_user = self._of_user[oldest.user_id]
            of_user.popleft()
            if not of_user:
                del self._of_user[oldest.user_id]
            self._bytes -= len(oldest.unclosed)
            self.floor = oldest.revision

    def _wake(self, stored: RecentPage) -> None:
        if not stored.versions:
            return
        for user_id in {None, *(version.user_id for version in stored.versions)}:
            for wakeup in self._wakeups.get(user_id, ()):
                wakeup.set()


def monotonic() -> float:
    """Return a clock that is never set; s."""
    return time.monotonic()
