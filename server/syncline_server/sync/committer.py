"""How what waits gets into the log: one committer a process applies it, group by group (L4)."""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from syncline_server.sync.backlog import Backlog
from syncline_server.sync.changes import Push, PushOutcome
from syncline_server.sync.errors import StoreUnavailable, SyncError
from syncline_server.sync.gathering import Gathering
from syncline_server.sync.group import Answer, GroupCommit, Item
from syncline_server.sync.lanes import MAX_GROUP_ITEMS, Group, Lanes, Waiting

_log = logging.getLogger(__name__)

_CHANGE_BYTES: Final = 1024
"""What a change takes in memory beside its data."""


class Committer:
    """Collects what waits of all projects and applies it, those of several projects in one transaction.

    Holds tasks while there is work; `finish` waits for them.
    """

    def __init__(
        self, group: GroupCommit, backlog: Backlog, on_commit: Callable[[int], object], *, groups_at_once: int
    ) -> None:
        """Apply so many groups at once, each of projects of its own; call `on_commit` with each project of a commit."""
        self._group = group
        self._backlog = backlog
        self._on_commit = on_commit
        self._lanes = Lanes()
        self._gathering = Gathering(lambda: self._lanes.ready)
        self._free_slots = asyncio.Semaphore(groups_at_once)
        self._taking: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, item: Item) -> "asyncio.Future[PushOutcome | None]":
        """Stand in line, and return what will be known of it. Raises Overloaded."""
        loop = asyncio.get_running_loop()
        changes = item.changes if isinstance(item, Push) else ()
        # A character beyond Latin-1 makes all of a text take two or four bytes each.
        size_bytes = sum([sys.getsizeof(change.data) for change in changes]) + len(changes) * _CHANGE_BYTES
        if isinstance(item, Push):
            size_bytes += sum([len(note.value) + _CHANGE_BYTES for note in item.all_notes()])
        self._backlog.enter(item.project_id, size_bytes)
        future: asyncio.Future[PushOutcome | None] = loop.create_future()
        self._lanes.enter(Waiting(item, len(changes), size_bytes, loop.time(), future))
        self._gathering.came()
        self._go_on()
        return future

    async def finish(self) -> None:
        """Wait until everything is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _go_on(self) -> None:
        """See to it that what is ready is taken."""
        if self._taking is None and self._lanes.ready:
            self._taking = self._start(self._take_all(), "committer")

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Work detached from those who wait, so that none of them can cancel a commit."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _take_all(self) -> None:
        """Take groups until nothing is ready."""
        try:
            while self._lanes.ready:
                await self._free_slots.acquire()
                await self._gathering.wait(MAX_GROUP_ITEMS)
                group, gone = self._lanes.take()
                self._leave(gone)
                self._start(self._serve(group), "group")
        finally:
            self._taking = None

    async def _serve(self, group: Group) -> None:
        """Apply a group; the projects whose heads somebody else has locked are waited for beside the next groups."""
        locked: Group = {}
        try:
            if group:
                locked = await self._apply(group, wait=len(group) == 1)
        finally:
            self._free_slots.release()
            self._end({project_id: group[project_id] for project_id in group if project_id not in locked})
        if locked:
            self._start(self._serve_locked(locked), "group of locked heads")

    async def _serve_locked(self, group: Group) -> None:
        try:
            await self._apply(group, wait=True)
        finally:
            self._end(group)

    def _end(self, group: Group) -> None:
        """Let go of the projects of a group that has been answered."""
        self._gathering.seen(self._lanes.in_groups + self._lanes.waiting)
        for served in group.values():
            self._leave(served)
        self._lanes.give_back(group)
        self._go_on()

    def _leave(self, served: Iterable[Waiting]) -> None:
        for waiting in served:
            self._backlog.leave(waiting.item.project_id, waiting.size_bytes)

    async def _apply(self, group: Group, *, wait: bool) -> Group:
        """Apply a group and answer it; returns what was left out, since others have locked its heads."""
        began = asyncio.get_running_loop().time()
        try:
            return await self._try(group, wait=wait)
        except StoreUnavailable as error:
            # A head that somebody keeps locked is no matter of other projects; whatever else it is, is.
            waited = self._lanes.take_before(began, group if wait else None)
            self._leave(waited)
            _refuse(waited, error)
            for waiting in group.values():
                _refuse(waiting, error)
            return {}

    async def _try(self, group: Group, *, wait: bool) -> Group:
        """Apply a group, as `_apply` does. Raises StoreUnavailable; some may have been answered by then."""
        try:
            applied = await self._group.apply(
                {project_id: [one.item for one in waiting] for project_id, waiting in group.items()}, wait=wait
            )
        except StoreUnavailable:
            raise
        except Exception as error:
            await self._try_parts(group, error)
            return {}
        for project_id, (answers, committed) in applied.items():
            _answer(group[project_id], answers)
            if committed:
                self._on_commit(project_id)
        return {project_id: waiting for project_id, waiting in group.items() if project_id not in applied}

    async def _try_parts(self, group: Group, error: Exception) -> None:
        """Try a group that could not be committed project by project, and one of a project push by push (L4)."""
        parts: list[Group] = [{project_id: waiting} for project_id, waiting in group.items()]
        if len(parts) == 1:
            parts = [{project_id: [one]} for project_id, waiting in group.items() for one in waiting]
            if len(parts) == 1:
                _log.error("a push could not be applied", exc_info=error)
                for waiting in group.values():
                    _refuse(waiting, error)
                return
        for part in parts:
            await self._try(part, wait=True)


def _answer(waiting: Iterable[Waiting], answers: Iterable[Answer]) -> None:
    for one, answer in zip(waiting, answers, strict=True):
        if one.future.cancelled():
            continue
        if isinstance(answer, SyncError):
            one.future.set_exception(answer)
        else:
            one.future.set_result(answer)


def _refuse(waiting: Iterable[Waiting], error: Exception) -> None:
    for one in waiting:
        if not one.future.done():
            one.future.set_exception(error)
