"""What is forgotten in time: the shown positions of sessions that have not been heard of for long."""

import asyncio
import logging
from typing import Final

from sqlalchemy import delete

from syncline_server.store.clock import system_clock_us
from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.store.tables import session_positions
from syncline_server.sync.errors import StoreUnavailable

_KEPT_DAYS: Final = 90
"""A session that comes back later has shown nothing (P9), and reads some of its own changes again."""
_DAY_SECONDS: Final = 24 * 3600

_log = logging.getLogger(__name__)


async def forget_positions(engines: Engines) -> int:
    """Delete old positions and return how many. Raises StoreUnavailable."""
    oldest = system_clock_us() - _KEPT_DAYS * _DAY_SECONDS * 1_000_000
    with translated():
        return await engines.finished(_delete_positions(engines, oldest))


async def _delete_positions(engines: Engines, oldest_us: int) -> int:
    with engines.writing_alone():
        async with engines.writing.begin() as connection:
            outdated = delete(session_positions).where(session_positions.c.updated_at_us < oldest_us)
            return (await connection.execute(outdated)).rowcount


async def keep_forgetting(engines: Engines) -> None:
    """Delete old positions, now and once a day, for ever."""
    while True:
        try:
            await forget_positions(engines)
        except StoreUnavailable:
            _log.warning("old positions could not be deleted; it is tried again tomorrow")
        await asyncio.sleep(_DAY_SECONDS)
