"""What is counted now and then, as it takes the reading of all rows: how much there is, the epoch, the last backup."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from syncline_server.operate import epochs
from syncline_server.store import inventory
from syncline_server.store.engine import Engines
from syncline_server.store.inventory import Sizes
from syncline_server.store.looking import EngineCatalogue
from syncline_server.sync.errors import StoreUnavailable

MOST_PROJECTS: Final = 200
"""Each is a few time series: more would be too many for who keeps them."""
BACKUP: Final = "backup"
_PAUSE_SECONDS: Final = 600.0
_LAST_BACKUP: Final = "SELECT max(at_us) AS at_us FROM audit WHERE act = $1"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Census:
    """How much there was, when it was counted."""

    projects: Sequence[tuple[str, Sizes]]
    """The first 200, in the order of their names."""
    epoch_number: int
    last_backup_us: int | None
    """When `syncline backup` last made a copy, µs since the Unix epoch; None: never."""


async def take(engines: Engines) -> Census:
    """Count, project by project. Raises StoreUnavailable."""
    looked_at = EngineCatalogue(engines)
    listed = await inventory.projects(looked_at, "", MOST_PROJECTS)
    sizes = [(one.name, await inventory.sizes(looked_at, one.id)) for one in listed]
    ((backup),) = await looked_at.rows(_LAST_BACKUP, BACKUP)
    return Census(sizes, (await epochs.recorded(engines))[-1].number, backup["at_us"])


async def keep_taking(engines: Engines, report: Callable[[Census], object]) -> None:
    """Count every ten minutes, for ever."""
    while True:
        try:
            report(await take(engines))
        except StoreUnavailable:
            _log.warning("what there is could not be counted; it is tried again")
        await asyncio.sleep(_PAUSE_SECONDS)
