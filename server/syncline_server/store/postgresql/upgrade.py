"""How a PostgreSQL database gets a newer schema while servers use it: step by step, none of which anybody waits for.

Each step is a transaction of its own, counted in `migrations` as it commits, so that what was interrupted goes on where
it was. A step that has to wait for a lock gives up soon, since everybody else waits behind it, and tries again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from syncline_server.store import phases, schema
from syncline_server.store.engine import Engines
from syncline_server.store.tables import migrations
from syncline_server.store.wanted_schema import WANTED

_LOCK: Final = 7_001_001
"""Two processes never migrate at once."""
_LOCK_TIMEOUT_MS: Final = 1_500
"""Longer than `deadlock_timeout`, after which an autovacuum gives way; shorter than readers and writers may wait."""
_TRIES: Final = 10
_PAUSE_SECONDS: Final = 1.0
_ASK_AGAIN_SECONDS: Final = 0.2
_GIVE_WAY: Final = ("55P03", "40P01")
"""No lock in time, a deadlock."""

_log = logging.getLogger(__name__)


async def expand(engines: Engines) -> None:
    """Run the migrations that have not been run, but for their last phase; on a new database all of them."""
    # Alembic takes a fifth of a server's start, and a server whose schema is current does without.
    from syncline_server.store.migrations.upgrade import scripts

    async with _alone(engines):
        found = await schema.found(engines)
        for script in scripts(after=found):
            if found is not None and not await phases.is_finished(engines):
                await _contract(engines)
            await _expand(engines, script)
        if found is None:
            await _contract(engines)


async def contract(engines: Engines) -> None:
    """Run the last phase of the last migration that has been run."""
    async with _alone(engines):
        await _contract(engines)


async def _expand(engines: Engines, script: Any) -> None:
    from syncline_server.store.migrations.upgrade import phases_of, upgrade

    phased = phases_of(script)
    async with engines.writing.begin() as connection:
        await connection.run_sync(migrations.create, checkfirst=True)
        oldest_server = script.module.OLDEST_SERVER if phased else script.revision
        await phases.record_begun(connection, script.revision, oldest_server)
    if phased is not None:
        await _run_steps(engines, script.revision, phased.EXPAND, 0)
        await _build_indexes(engines, phased.CONCURRENTLY)
    async with engines.writing.begin() as connection:
        await engines.wait_without_limit(connection)
        await connection.run_sync(upgrade, script.revision)
        if phased is None:
            await phases.record_finished(connection, script.revision)
        if script.revision == WANTED:
            await schema.ensure_history(connection)


async def _contract(engines: Engines) -> None:
    from syncline_server.store.migrations.upgrade import phases_of, scripts

    found = await schema.found(engines)
    (script,) = [one for one in scripts() if one.revision == found]
    phased = phases_of(script)
    if phased is not None:
        await _run_steps(engines, script.revision, phased.CONTRACT, len(phased.EXPAND))
    async with engines.writing.begin() as connection:
        await phases.record_finished(connection, script.revision)


async def _run_steps(engines: Engines, revision: str, steps: Sequence[Any], first: int) -> None:
    """Run the steps that have not been run; `first` is how many steps there are in the phases before."""
    this = migrations.c.schema == revision
    async with engines.reading.connect() as connection:
        done = (await connection.execute(select(migrations.c.steps_done).where(this))).scalar_one()
    for number, step in enumerate(steps, first + 1):
        if number > done:
            await _run_step(engines, step, update(migrations).where(this).values(steps_done=number))


async def _run_step(engines: Engines, step: Any, count: Any) -> None:
    from syncline_server.store.migrations.upgrade import run_step

    for tries_left in reversed(range(_TRIES)):
        try:
            async with engines.writing.begin() as connection:
                await connection.execute(text("SET LOCAL statement_timeout = 0"))
                await connection.execute(text(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}"))
                await connection.run_sync(run_step, step)
                await connection.execute(count)
        except DBAPIError as error:
            if not tries_left or getattr(error.orig, "sqlstate", None) not in _GIVE_WAY:
                raise
            _log.warning("a step of the migration gives way to readers and writers; it is tried again")
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return


async def _build_indexes(engines: Engines, indexes: Mapping[str, str]) -> None:
    """Build indexes beside readers and writers; what was left of an interrupted try is built anew."""
    async with _autocommitting(engines) as run:
        for name, definition in indexes.items():
            valid = await run("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)", name=name)
            if valid is False:
                await run(f"DROP INDEX CONCURRENTLY {name}")
            if not valid:
                await run(f"CREATE {definition.format(f'CONCURRENTLY {name}')}")


@asynccontextmanager
async def _alone(engines: Engines) -> AsyncIterator[None]:
    """Let no other process migrate for the time of the block."""
    async with _autocommitting(engines) as run:
        # Asked again, not waited for: an index that is built waits for every statement that has begun before.
        while not await run("SELECT pg_try_advisory_lock(:key)", key=_LOCK):  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
        yield


@asynccontextmanager
async def _autocommitting(engines: Engines) -> AsyncIterator[Any]:
    """Lend a connection without transactions and time limits; it is closed, and with it go its settings and locks."""
    async with engines.writing.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")

        async def run(statement: str, **parameters: Any) -> Any:
            result = await connection.execute(text(statement), parameters)
            return result.scalar() if result.returns_rows else None

        try:
            await run("SET statement_timeout = 0")
            await run("SET lock_timeout = 0")
            yield run
        finally:
            await connection.invalidate()
