"""The histories of projects as they are stored, each read once in an epoch."""

from array import array
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from cachetools import LRUCache

from syncline_server.sync.history import History

_KEPT_PROJECTS: Final = 1024
"""Each takes 24 bytes for every epoch in which the project has moved."""
_MS: Final = 1000

Fetch = Callable[[str, tuple[Any, ...]], Awaitable[Sequence[Sequence[Any]]]]
"""Runs a statement with positional parameters and returns its rows."""


class EpochMoved(Exception):
    """A new epoch has begun since a page was read; the page has to be read again. It never leaves the store."""


class Histories:
    """What is known of the histories of projects; a new epoch brings a new one."""

    def __init__(self, statement: str) -> None:
        """Read them with this statement; see Statements.history."""
        self._statement = statement
        self._known: LRUCache[int, History] = LRUCache(_KEPT_PROJECTS)

    async def of(self, project_id: int, epoch_id: int, fetch: Fetch) -> History:
        """Return the history of a project in an epoch, by `fetch` where it is not known.

        Raises EpochMoved when the database is in another epoch by now.
        """
        known = self._known.get(project_id)
        if known is None or known.epoch_id != epoch_id:
            known = self._known[project_id] = _history(await fetch(self._statement, (project_id,)))
        if known.epoch_id != epoch_id:
            raise EpochMoved
        return known


def _history(rows: Sequence[Sequence[Any]]) -> History:
    *ended, in_force = rows
    return History(
        epoch_id=in_force[1],
        forks=array("q", [fork for _, _, _, fork in ended]),
        epoch_ids=array("q", [epoch_id for _, epoch_id, _, _ in ended]),
        starts_us=array("q", [started_at_us // _MS * _MS for _, _, started_at_us, _ in rows]),
    )
