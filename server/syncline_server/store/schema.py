"""Which schema a database has, which ones this version works with, and how it gets there."""

import secrets
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from syncline_server.store import checkpoint_secrets
from syncline_server.store.clock import system_clock_us
from syncline_server.store.engine import Engines
from syncline_server.store.epochs import Cause
from syncline_server.store.errors import translated
from syncline_server.store.tables import checkpoint_keys, epochs, migrations
from syncline_server.store.wanted_schema import WANTED, SchemaNotCurrent, require_current
from syncline_server.sync.checkpoint import CheckpointCodec


async def migrate(engines: Engines, progress: Callable[[int, int], None] | None = None) -> str:
    """Bring the schema up to date and return its revision; on a new database also make its history and its keys.

    On a database that several processes serve, rows stay of the schema before until servers have seen to them; see
    phases.py. `progress` is told how many rows are done, and of how many, where the caller has to wait for them.
    Raises SchemaNotCurrent when the database is ahead of this version, and MigrationRefused.
    """
    try:
        await check_current(engines)
    except SchemaNotCurrent as error:
        if error.newer:
            raise
    with translated():
        await engines.upgrade(progress)
        async with engines.reading.connect() as connection:
            return str(await connection.run_sync(_current))


async def check_current(engines: Engines) -> None:
    """Raise SchemaNotCurrent unless the schema is one that this version works with."""
    with translated():
        async with engines.reading.connect() as connection:
            found = await connection.run_sync(_current)
            if found is not None and found > WANTED and await _may_serve(connection, found):
                return
    require_current(found)


async def found(engines: Engines) -> str | None:
    """Return the schema that a database has; None: it has none yet."""
    async with engines.reading.connect() as connection:
        return await connection.run_sync(_current)


async def open_checkpoints(engines: Engines) -> CheckpointCodec:
    """Return the codec of this database's tokens; see checkpoint_secrets.py. Raises StoreUnavailable."""
    return CheckpointCodec(await checkpoint_secrets.in_order(engines))


async def ensure_history(connection: AsyncConnection) -> None:
    """Make the first epoch and the first key of tokens where there are none."""
    now: dict[str, Any] = {"created_at_us": system_clock_us()}
    if (await connection.execute(select(checkpoint_keys.c.id))).first() is None:
        await connection.execute(insert(checkpoint_keys).values(**checkpoint_secrets.new_key(()), **now))
    if (await connection.execute(select(epochs.c.id))).first() is None:
        first = {"number": 1, "id": secrets.randbits(63), "started_at_us": now["created_at_us"]}
        await connection.execute(insert(epochs).values(**first, cause=Cause.MADE, incarnation=""))


async def _may_serve(connection: AsyncConnection, schema: str) -> bool:
    oldest = select(migrations.c.oldest_server).where(migrations.c.schema == schema)
    found = (await connection.execute(oldest)).scalar_one_or_none()
    return found is not None and found <= WANTED


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found
