"""What is forgotten in time: the shown positions of sessions that have not been heard of for long."""

import asyncio
import logging
import time
from typing import Final

from syncline_server.store.clock import system_clock_us
from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.sync.errors import StoreUnavailable

_KEPT_DAYS: Final = 90
"""A session that comes back later has shown nothing (P9), and reads some of its own changes again."""
_DAY_SECONDS: Final = 24 * 3600
_BATCH_ROWS: Final = 500
"""Some milliseconds of one transaction; a push waits for one batch at most."""
_DELETE_BATCH: Final = """
    DELETE FROM session_positions WHERE (session_key, entity_type) IN (
        SELECT session_key, entity_type FROM session_positions WHERE updated_at_us < $1
        ORDER BY updated_at_us LIMIT $2)"""

_log = logging.getLogger(__name__)


async def forget_positions(engines: Engines) -> int:
    """Delete old positions and return how many. Raises StoreUnavailable."""
    oldest = system_clock_us() - _KEPT_DAYS * _DAY_SECONDS * 1_000_000
    with translated():
        return await _delete_positions(engines, oldest)


async def _delete_positions(engines: Engines, oldest_us: int) -> int:
    """Delete in batches, each a transaction that takes its turn with pushes; after each, others have as long as it."""
    deleted = 0
    while True:
        started = time.monotonic()
        count = await engines.write(_DELETE_BATCH, (oldest_us, _BATCH_ROWS))
        deleted += count
        if count < _BATCH_ROWS:
            return deleted
        await asyncio.sleep(time.monotonic() - started)


async def keep_forgetting(engines: Engines) -> None:
    """Delete old positions, now and once a day, for ever."""
    while True:
        try:
            await forget_positions(engines)
        except StoreUnavailable:
            _log.warning("old positions could not be deleted; it is tried again tomorrow")
        await asyncio.sleep(_DAY_SECONDS)
