"""What is forgotten in time: the shown positions of sessions that have not been heard of for long."""

import asyncio
import logging
import time
from typing import Final

from syncline_server.store.clock import system_clock_us
from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.sync.errors import StoreUnavailable

_DAY_SECONDS: Final = 24 * 3600
_BATCH_ROWS: Final = 500
"""Some milliseconds of one transaction; a push waits for one batch at most."""
_DELETE_BATCH: Final = """
    DELETE FROM session_positions WHERE (session_key, entity_type, project_id) IN (
        SELECT session_key, entity_type, project_id FROM session_positions WHERE expires_at_us < $1
        ORDER BY expires_at_us LIMIT $2)"""

_log = logging.getLogger(__name__)


async def forget_positions(engines: Engines) -> int:
    """Delete the positions that have expired and return how many. Raises StoreUnavailable."""
    with translated():
        return await _delete_positions(engines, system_clock_us())


async def _delete_positions(engines: Engines, now_us: int) -> int:
    """Delete in batches, each a transaction that takes its turn with pushes; after each, others have as long as it."""
    deleted = 0
    while True:
        started = time.monotonic()
        count = await engines.write(_DELETE_BATCH, (now_us, _BATCH_ROWS))
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
