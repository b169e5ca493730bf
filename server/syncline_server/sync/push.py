"""How pushes, and positions that readers present, come to the committer, and what is known of them on the way."""

import asyncio
from collections import Counter
from collections.abc import Callable

from syncline_server.sync.backlog import Backlog, BacklogLimits
from syncline_server.sync.changes import Push, PushOutcome
from syncline_server.sync.committer import Committer
from syncline_server.sync.resolve import PushLimits
from syncline_server.sync.shown import Presented
from syncline_server.sync.store import Store
from syncline_server.sync.timing import OnGroup, OnLock, TimedGroup, ignore


class Pusher:
    """Takes pushes and hands each to the committer; `close` waits until all are answered."""

    def __init__(
        self,
        store: Store,
        *,
        limits: PushLimits,
        on_commit: Callable[[int], object],
        on_clock_lag: Callable[[int], None],
        on_clock: Callable[[int], None],
        backlog: Backlog | None = None,
        on_group: OnGroup = ignore,
        on_lock: OnLock = ignore,
    ) -> None:
        """Call `on_commit` with the project of every commit, and `on_clock_lag` with the clock's lag.

        The lag is how many ms the store's clock is behind the log; 0: it is not. `on_clock` is called with the store's
        clock before each commit, µs since the Unix epoch, and `on_group` after each transaction, `on_lock` within
        it; see timing.py.
        """
        self._store = store
        self._limits = limits
        self._on_commit = on_commit
        group = TimedGroup(store, limits, on_clock_lag, on_clock, on_group, on_lock)
        self._committer = Committer(
            group, backlog or Backlog(BacklogLimits()), on_commit, groups_at_once=store.writes_at_once
        )
        self._presenting: Counter[str] = Counter()

    async def push(self, push: Push) -> PushOutcome:
        """Apply a push and return what became of it, once it is durable.

        A caller that is cancelled leaves the outcome unknown: the push may be applied all the same (P3 finds it).
        Raises Overloaded at once where too much waits, and whatever else becomes of the push.
        """
        outcome = await self.begin(push)
        assert outcome is not None
        return outcome

    def begin(self, push: Push) -> "asyncio.Future[PushOutcome | None]":
        """Put a push in line and return what will be known of it; those of a user are applied in this order.

        Raises Overloaded.
        """
        return self._committer.submit(push)

    async def present(self, presented: Presented) -> None:
        """Store a presented position.

        It has to be durable before its reader gets an answer: one that falls, or a push would skip what the reader is
        about to read again. One that rises may stay unstored where the database cannot: then less is skipped.
        """
        future = self._committer.submit(presented)
        self._presenting[presented.session_key] += 1
        future.add_done_callback(lambda done: self._end_presenting(presented.session_key, done))
        await future

    def is_presenting(self, session_key: str) -> bool:
        """Tell whether a position of this session is on its way, so that what is stored of it is old."""
        return session_key in self._presenting

    def _end_presenting(self, session_key: str, future: "asyncio.Future[PushOutcome | None]") -> None:
        if not future.cancelled():
            future.exception()  # retrieved, or asyncio would log it where the reader has gone
        self._presenting[session_key] -= 1
        if not self._presenting[session_key]:
            del self._presenting[session_key]

    async def close(self) -> None:
        """Wait until everything that was taken is answered."""
        await self._committer.finish()
