"""How pushes get into the log: one committer a project applies what waits, in one transaction (L4)."""

import asyncio
import logging
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from syncline_server.sync.backlog import Backlog, BacklogLimits
from syncline_server.sync.changes import Push, PushOutcome
from syncline_server.sync.errors import StoreUnavailable, SyncError
from syncline_server.sync.group import GroupCommit, Item
from syncline_server.sync.resolve import PushLimits
from syncline_server.sync.shown import Presented
from syncline_server.sync.store import Store

_log = logging.getLogger(__name__)

_MAX_GROUP_PUSHES: Final = 512
_MAX_GROUP_CHANGES: Final = 2_000
_MAX_GROUP_BYTES: Final = 16 * 1024 * 1024
_MAX_GATHERING_SECONDS: Final = 0.03
_PAUSE_SECONDS: Final = 0.001
_IDLE_PAUSES: Final = 2
"""So many pauses in a row, for most of which the event loop had nothing to do, end the gathering."""
_QUIET_TURNS: Final = 8
"""So many turns of the event loop in which no push came end it, too."""
_CHANGE_BYTES: Final = 1024
"""What a change takes in memory beside its data."""
_MAX_ROUNDS: Final = 4
"""The most milliseconds that the pushes of one user take in a group: the log is not to run ahead of the clock."""


@dataclass(slots=True)
class _Waiting:
    item: Item
    changes: int
    size_bytes: int
    """How much memory it takes."""
    since: float
    """When it came, by the event loop's clock."""
    future: "asyncio.Future[PushOutcome | None]"


class _Round(NamedTuple):
    """Where an item stands in a group: the pushes of a user in one round share a millisecond."""

    number: int
    alone: bool
    """It is that of a push which shares with no other."""


class Pusher:
    """Takes pushes and hands each to the committer of its project.

    Holds one task a project while there is work for it; `close` waits for them.
    """

    def __init__(
        self,
        store: Store,
        *,
        limits: PushLimits,
        on_commit: Callable[[int], object],
        on_clock_lag: Callable[[int], None],
        on_clock: Callable[[int], None],
        backlog: Backlog | None = None,
    ) -> None:
        """Call `on_commit` with the project of every commit, and `on_clock_lag` with the clock's lag.

        The lag is how many ms the store's clock is behind the log; 0: it is not. `on_clock` is called with the store's
        clock before each commit, µs since the Unix epoch.
        """
        self._store = store
        self._limits = limits
        self._on_commit = on_commit
        self._on_clock_lag = on_clock_lag
        self._on_clock = on_clock
        self._backlog = backlog or Backlog(BacklogLimits())
        self._committers: dict[int, _Committer] = {}
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
        return self._committer(push.project_id).submit(push)

    async def present(self, presented: Presented) -> None:
        """Store a presented position.

        It has to be durable before its reader gets an answer: one that falls, or a push would skip what the reader is
        about to read again. One that rises may stay unstored where the database cannot: then less is skipped.
        """
        future = self._committer(presented.project_id).submit(presented)
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
        await asyncio.gather(*(committer.finish() for committer in self._committers.values()))

    def _committer(self, project_id: int) -> "_Committer":
        committer = self._committers.get(project_id)
        if committer is None:
            group = GroupCommit(self._store, self._limits, self._on_clock_lag, self._on_clock)
            committer = self._committers[project_id] = _Committer(project_id, group, self._backlog, self._on_commit)
        return committer


class _Committer:
    """Collects what waits for one project and applies it group by group."""

    def __init__(
        self, project_id: int, group: GroupCommit, backlog: Backlog, on_commit: Callable[[int], object]
    ) -> None:
        self._project_id = project_id
        self._group = group
        self._backlog = backlog
        self._on_commit = on_commit
        self._queue: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None
        self._expected = 0
        """How many pushes the next group is likely to have: as many as the last ones had."""

    def submit(self, item: Item) -> "asyncio.Future[PushOutcome | None]":
        loop = asyncio.get_running_loop()
        changes = item.changes if isinstance(item, Push) else ()
        # A character beyond Latin-1 makes all of a text take two or four bytes each.
        size_bytes = sum([sys.getsizeof(change.data) for change in changes]) + len(changes) * _CHANGE_BYTES
        self._backlog.enter(self._project_id, size_bytes)
        future: asyncio.Future[PushOutcome | None] = loop.create_future()
        self._queue.append(_Waiting(item, len(changes), size_bytes, loop.time(), future))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"committer-{self._project_id}")
        return future

    async def finish(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        """Apply groups until nothing waits. Runs detached from its submitters, so none of them can cancel a commit."""
        try:
            while self._queue:
                await self._gather()
                began = asyncio.get_running_loop().time()
                group = self._take_group()
                self._expected = max(len(group), self._expected // 2)
                error = await self._apply(group)
                self._leave(group)
                if error is not None:
                    self._give_up(self._take_before(began), error)
        finally:
            self._task = None

    async def _gather(self) -> None:
        """Let pushes that are on their way join the group, for as long as they keep coming; nobody waits alone.

        Without this, a group is what came during the commit before, and a fast disk makes many small ones. Clients
        that have pushed lately are likely to push again: as many are waited for while the event loop is busy, since
        calls wait for it then anyway; and then those that come close behind are let in.
        """
        if self._expected <= 1:
            return
        loop = asyncio.get_running_loop()
        deadline, idle, quiet = loop.time() + _MAX_GATHERING_SECONDS, 0, 0
        while idle < _IDLE_PAUSES and len(self._queue) < self._expected and loop.time() < deadline:
            worked = time.thread_time()
            await asyncio.sleep(_PAUSE_SECONDS)
            idle = idle + 1 if time.thread_time() - worked < _PAUSE_SECONDS / 2 else 0
        while quiet < _QUIET_TURNS and len(self._queue) < _MAX_GROUP_PUSHES and loop.time() < deadline:
            waiting = len(self._queue)
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._queue) == waiting else 0

    def _take_group(self) -> list[_Waiting]:
        """Take from the head of the queue; what is too much of one user stays.

        Each user's items keep their order. A round is what may share a millisecond, and first rounds come before second
        ones, so that a group spans few milliseconds however its users are mixed.
        """
        rounds: list[list[_Waiting]] = [[] for _ in range(_MAX_ROUNDS)]
        left: list[_Waiting] = []
        round_of: dict[str, _Round] = {}
        taken = changes = size = 0
        while self._queue and taken < _MAX_GROUP_PUSHES and changes < _MAX_GROUP_CHANGES and size < _MAX_GROUP_BYTES:
            waiting = self._queue.popleft()
            if waiting.future.cancelled():
                self._leave([waiting])
                continue
            user = waiting.item.user_id
            joined = _round_after(round_of.get(user), waiting.item)
            if isinstance(waiting.item, Push):
                round_of[user] = joined
            if joined.number >= _MAX_ROUNDS:
                left.append(waiting)
                continue
            rounds[joined.number].append(waiting)
            taken += 1
            changes += waiting.changes
            size += waiting.size_bytes
        self._queue.extendleft(reversed(left))
        return [waiting for each in rounds for waiting in each]

    def _take_before(self, time: float) -> list[_Waiting]:
        """Take what has waited since then."""
        taken = []
        while self._queue and self._queue[0].since <= time:
            taken.append(self._queue.popleft())
        return taken

    def _leave(self, taken: list[_Waiting]) -> None:
        for waiting in taken:
            self._backlog.leave(self._project_id, waiting.size_bytes)

    async def _apply(self, group: list[_Waiting]) -> StoreUnavailable | None:
        """Apply a group and answer it; returns why nothing can be written, if that is so."""
        try:
            answers, committed = await self._group.apply(self._project_id, [waiting.item for waiting in group])
        except Exception as error:
            return await self._fail(group, error)
        for waiting, answer in zip(group, answers, strict=True):
            if waiting.future.cancelled():
                continue
            if isinstance(answer, SyncError):
                waiting.future.set_exception(answer)
            else:
                waiting.future.set_result(answer)
        if committed:
            self._on_commit(self._project_id)
        return None

    async def _fail(self, group: list[_Waiting], error: Exception) -> StoreUnavailable | None:
        """Answer a group that could not be committed; unless the store was away, it is tried push by push (L4)."""
        if isinstance(error, StoreUnavailable):
            _refuse(group, error)
            return error
        if len(group) == 1:
            _log.error("a push could not be applied", exc_info=error)
            _refuse(group, error)
            return None
        for tried, waiting in enumerate(group, 1):
            if unavailable := await self._apply([waiting]):
                _refuse(group[tried:], unavailable)
                return unavailable
        return None

    def _give_up(self, waited: list[_Waiting], error: StoreUnavailable) -> None:
        """Fail what has waited for as long as a group that failed: one after the other, they would wait ever longer."""
        self._leave(waited)
        _refuse(waited, error)


def _refuse(refused: list[_Waiting], error: Exception) -> None:
    for waiting in refused:
        if not waiting.future.cancelled():
            waiting.future.set_exception(error)


def _round_after(last: _Round | None, item: Item) -> _Round:
    """Return the round of an item of a user whose last push in the group is in the round `last`."""
    if isinstance(item, Push) and item.expected_head_ms is not None:
        return _Round(last.number + 1 if last else 0, alone=True)
    if last is None or not isinstance(item, Push):
        return last or _Round(0, alone=False)
    return _Round(last.number + last.alone, alone=False)
