"""What is counted now and then, as it takes the reading of all rows: how much there is, the epoch, the last backup."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from syncline_server.operate import epochs
from syncline_server.store import inventory
from syncline_server.store.engine import Engines
from syncline_server.store.inventory import Sizes
from syncline_server.store.looking import EngineCatalogue
from syncline_server.sync.errors import StoreUnavailable

__all__ = ["Census", "Sizes"]

MOST_PROJECTS: Final = 200
"""Each is a few time series: more would be too many for who keeps them."""
BACKUP: Final = "backup"
_PAUSE_SECONDS: Final = 30.0
_LOOKS_A_COUNT: Final = 20
"""Rows are counted once in ten minutes, as it takes the reading of all of them."""
_LAST_BACKUP: Final = "SELECT max(at_us) AS at_us FROM audit WHERE act = $1"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Census:
    """How much there was, when it was counted."""

    projects: Sequence[tuple[str, Sizes]] | None
    """The first 200, in the order of their names; None: they were not counted this time."""
    epoch_number: int
    last_backup_us: int | None
    """When `syncline backup` last made a copy, µs since the Unix epoch; None: never."""


async def take(engines: Engines, *, with_sizes: bool) -> Census:
    """Look, and count project by project if asked. Raises StoreUnavailable."""
    looked_at = EngineCatalogue(engines)
    sizes = await _sizes(looked_at) if with_sizes else None
    ((backup),) = await looked_at.rows(_LAST_BACKUP, BACKUP)
    return Census(sizes, (await epochs.recorded(engines))[-1].number, backup["at_us"])


async def keep_taking(engines: Engines, report: Callable[[Census], object]) -> None:
    """Look every half minute, and count every ten minutes, for ever."""
    for turn in count():
        try:
            report(await take(engines, with_sizes=turn % _LOOKS_A_COUNT == 0))
        except StoreUnavailable:
            _log.warning("what there is could not be counted; it is tried again")
        await asyncio.sleep(_PAUSE_SECONDS)


async def _sizes(looked_at: EngineCatalogue) -> list[tuple[str, Sizes]]:
    listed = await inventory.projects(looked_at, "", MOST_PROJECTS)
    return [(one.name, await inventory.sizes(looked_at, one.id)) for one in listed]
