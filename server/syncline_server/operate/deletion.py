"""How a project is deleted: its entities become tombstones, as if their users had deleted them; later its rows go.

Servers see to it, since what they push reaches followers at once. Several may do so side by side: to delete what is
deleted changes nothing.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from itertools import groupby
from typing import Final

from syncline_server.store import deletion
from syncline_server.store.deletion import DeletedProject, LiveEntity
from syncline_server.store.engine import Engines
from syncline_server.sync.changes import Action, Change, Push
from syncline_server.sync.errors import SyncError
from syncline_server.sync.keys import entity_key
from syncline_server.sync.push import Pusher

_LOOK_SECONDS: Final = 10.0
_BATCH: Final = 200

_log = logging.getLogger(__name__)


class Deletions:
    """Goes on with the projects that are being deleted, for as long as a server runs."""

    def __init__(self, engines: Engines, pusher: Pusher, now_us: Callable[[], int] = lambda: time.time_ns() // 1000):
        """Push tombstones with `pusher`."""
        self._engines = engines
        self._pusher = pusher
        self._now_us = now_us
        self._tombstoned: dict[int, int] = {}
        """The revision up to which each project has nothing but tombstones."""

    async def keep_deleting(self) -> None:
        """Go on every ten seconds, until it is cancelled."""
        while True:
            try:
                await self.go_on()
            except SyncError as error:
                _log.warning("the deletion of a project waits: %s", error)
            await asyncio.sleep(_LOOK_SECONDS)

    async def go_on(self) -> None:
        """Do what can be done now. Raises SyncError."""
        for project in await deletion.begun(self._engines):
            await self._leave_tombstones(project)
            if self._now_us() >= project.delete_at_us:
                await deletion.remove(self._engines, project)
                self._tombstoned.pop(project.id, None)
                _log.warning("the project %s is deleted", project.name)

    async def _leave_tombstones(self, project: DeletedProject) -> None:
        while True:
            after = self._tombstoned.get(project.id, 0)
            living = await deletion.living(self._engines, project.id, after, _BATCH)
            for user, entities in groupby(living, lambda one: one.user_id):
                await self._pusher.push(_deletes(project.id, user, list(entities)))
            if living:
                self._tombstoned[project.id] = living[-1].revision
            if len(living) < _BATCH:
                return


def _deletes(project_id: int, user: str, entities: list[LiveEntity]) -> Push:
    changes = tuple(
        Change(
            key=entity_key(project_id, user, one.entity_type, one.entity_id),
            entity_type=one.entity_type,
            entity_id=one.entity_id,
            action=Action.DELETE,
            data="{}",
            client_timestamp_us=None,
            base_revision=None,
        )
        for one in entities
    )
    return Push(project_id, user, session="", device_known=False, changes=changes)
