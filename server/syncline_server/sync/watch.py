"""What is done for all followed logs of a process at once: time is kept, and commits are found that nobody told of."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import Final

from syncline_server.sync.errors import StoreUnavailable
from syncline_server.sync.live import LiveLog
from syncline_server.sync.store import Store

_log = logging.getLogger(__name__)

_LEAST_JITTER: Final = 0.8
_MOST_JITTER: Final = 1.2


class LogWatch:
    """Wakes readers whose time has come; where other processes commit, looks at the heads of all followed logs."""

    def __init__(
        self,
        store: Store,
        logs: Mapping[int, LiveLog],
        now: Callable[[], float],
        *,
        tick_seconds: float,
        poll_seconds: float | None,
    ) -> None:
        """Wake readers at most `tick_seconds` late; look at heads every `poll_seconds` (jittered), or None: never."""
        self._store = store
        self._logs = logs
        self._now = now
        self._tick_seconds = tick_seconds
        self._poll_seconds = poll_seconds
        self._away_since: float | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, if that has not been done."""
        if self._tasks:
            return
        self._tasks.append(asyncio.create_task(self._tick(), name="live-logs-tick"))
        if self._poll_seconds is not None:
            self._tasks.append(asyncio.create_task(self._poll(self._poll_seconds), name="live-logs-poll"))

    def lag_seconds(self) -> float:
        """Return for how long the heads could not be looked at."""
        return 0.0 if self._away_since is None else self._now() - self._away_since

    async def close(self) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            now = self._now()
            for log in self._logs.values():
                log.wake_due(now)

    async def _poll(self, poll_seconds: float) -> None:
        while True:
            await asyncio.sleep(poll_seconds * random.uniform(_LEAST_JITTER, _MOST_JITTER))  # noqa: S311  # jitter
            followed = [project_id for project_id, log in self._logs.items() if log.is_followed]
            if followed:
                await self._look(followed)

    async def _look(self, followed: list[int]) -> None:
        try:
            heads = await self._store.heads(followed)
        except Exception as error:
            if not isinstance(error, StoreUnavailable):
                _log.exception("the heads of followed logs could not be read")
            if self._away_since is None:
                self._away_since = self._now()
            return
        self._away_since = None
        for project_id, head in heads.items():
            self._logs[project_id].compare(head)
