"""What is forgotten in time: the shown positions of sessions not heard of for long, pushes of
yesterday (Q5), used tickets, notes (N5)."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.sync.errors import StoreUnavailable

_DAY_SECONDS: Final = 24 * 3600
_BATCH_ROWS: Final = 500
"""Some milliseconds of one transaction; a push waits for one batch at most."""
_DELETE_POSITIONS: Final = """
    DELETE FROM session_positions WHERE (session_key, entity_type, project_id) IN (
        SELECT session_key, entity_type, project_id FROM session_positions WHERE expires_at_us < $1
        ORDER BY expires_at_us LIMIT $2)"""
_DELETE_PUSHES: Final = """
    DELETE FROM push_ids WHERE (push_key, project_id) IN (
        SELECT push_key, project_id FROM push_ids WHERE expires_at_us < $1 ORDER BY expires_at_us LIMIT $2)"""
_DELETE_TICKETS: Final = """
    DELETE FROM used_tickets WHERE (id, project_id) IN (
        SELECT id, project_id FROM used_tickets WHERE expires_at_us < $1 ORDER BY expires_at_us LIMIT $2)"""
_DELETE_NOTES: Final = """
    DELETE FROM notes WHERE (note_key, project_id) IN (
        SELECT note_key, project_id FROM notes WHERE expires_at_us < $1 ORDER BY expires_at_us LIMIT $2)"""
_EXPIRE: Final = (_DELETE_POSITIONS, _DELETE_PUSHES, _DELETE_TICKETS, _DELETE_NOTES)

_log = logging.getLogger(__name__)


async def forget_expired(engines: Engines, clock_us: Callable[[], int] | None = None) -> int:
    """Delete what has expired by the store's clock, or by `clock_us` in tests, and return how many rows.

    Raises StoreUnavailable.
    """
    with translated():
        now_us = clock_us() if clock_us else await _store_clock_us(engines)
        return sum([await _delete(engines, statement, now_us) for statement in _EXPIRE])


async def _store_clock_us(engines: Engines) -> int:
    async with engines.reading.connect() as connection:
        return await engines.clock_us(connection)


async def _delete(engines: Engines, statement: str, now_us: int) -> int:
    """Delete in batches, each a transaction that takes its turn with pushes; after each, others have as long as it."""
    deleted = 0
    while True:
        started = time.monotonic()
        count = await engines.write(statement, (now_us, _BATCH_ROWS))
        deleted += count
        if count < _BATCH_ROWS:
            return deleted
        await asyncio.sleep(time.monotonic() - started)


async def keep_forgetting(engines: Engines, clock_us: Callable[[], int] | None = None) -> None:
    """Delete what has expired, now and once a day, for ever."""
    while True:
        try:
            await forget_expired(engines, clock_us)
        except StoreUnavailable:
            _log.warning("what has expired could not be deleted; it is tried again tomorrow")
        await asyncio.sleep(_DAY_SECONDS)
