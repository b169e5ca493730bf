"""How rows of the schema before become ones of this: by the servers, batch by batch, between the pushes.

A project's head is held for a batch, so that no push meets a row in between; what a push needs before its turn comes,
it converts itself (store.py).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import Connection, select, text, update

from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.store.tables import heads
from syncline_server.store.wanted_schema import WANTED
from syncline_server.sync.errors import StoreUnavailable

_LOCK: Final = 7_001_003
"""One server at a time sees to rows."""
_ROWS: Final = 500
"""A batch takes some 20 ms, for which pushes of its project wait."""
_TURN_SECONDS: Final = 10

_log = logging.getLogger(__name__)

Backfill = Callable[[Connection, int, int, int], tuple[int, int]]


async def run(engines: Engines) -> None:
    """See to all rows, and end; other servers may have the turn meanwhile."""
    while True:
        try:
            with translated():
                if await _next_project(engines, 0) is None:
                    return
                async with _turn(engines) as is_ours:
                    if is_ours:
                        await _backfill_all(engines)
                        continue
        except StoreUnavailable:
            _log.warning("rows of the schema before could not be seen to; it is tried again")
        await asyncio.sleep(_TURN_SECONDS)


async def _backfill_all(engines: Engines) -> None:
    from syncline_server.store.migrations.upgrade import phases_of, scripts

    (script,) = [one for one in scripts() if one.revision == WANTED]
    project_id = 0
    while (following := await _next_project(engines, project_id)) is not None:
        project_id = following
        await _backfill_project(engines, project_id, phases_of(script).backfill)
    _log.warning("all rows are of schema %s now: run `syncline migrate --finish`", WANTED)


async def _backfill_project(engines: Engines, project_id: int, backfill: Backfill) -> None:
    loop = asyncio.get_running_loop()
    while True:
        started_at = loop.time()
        done = await _backfill_batch(engines, project_id, backfill)
        if done < _ROWS:
            return
        # As slow as commits are: half of the time is for others.
        await asyncio.sleep(loop.time() - started_at)


async def _backfill_batch(engines: Engines, project_id: int, backfill: Backfill) -> int:
    this = heads.c.project_id == project_id
    async with engines.writing.begin() as connection:
        head = select(heads.c.backfilled_revision).where(this).with_for_update()
        after = (await connection.execute(head)).scalar_one()
        done, last = await connection.run_sync(backfill, project_id, after, _ROWS)
        values = {"backfilled_revision": last} if done == _ROWS else {"rows_schema": WANTED}
        await connection.execute(update(heads).where(this).values(**values))
    return done


async def _next_project(engines: Engines, after: int) -> int | None:
    behind = select(heads.c.project_id).where(heads.c.project_id > after, heads.c.rows_schema < WANTED)
    async with engines.reading.connect() as connection:
        return (await connection.execute(behind.order_by(heads.c.project_id).limit(1))).scalar()


@asynccontextmanager
async def _turn(engines: Engines) -> AsyncIterator[bool]:
    """Have the turn for the time of the block, unless another server has it."""
    async with engines.writing.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        got = await connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK})
        try:
            yield bool(got.scalar_one())
        finally:
            await connection.invalidate()  # and with it the lock
