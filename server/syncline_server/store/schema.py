"""How the schema gets onto a database, and whether the one there is current."""

import secrets
from typing import Any, Final

from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from syncline_server.store.clock import system_clock_us
from syncline_server.store.engine import Engines
from syncline_server.store.epochs import Cause
from syncline_server.store.errors import translated
from syncline_server.store.tables import checkpoint_keys, epochs
from syncline_server.store.wanted_schema import SchemaNotCurrent, require_current
from syncline_server.sync.checkpoint import CheckpointCodec

_MIGRATION_LOCK: Final = 7_001_001
"""Two processes never migrate at once."""
_SECRET_BYTES: Final = 32


async def migrate(engines: Engines) -> str:
    """Bring the schema up to date and return its revision; on a new database also make its history and its keys.

    Raises SchemaNotCurrent when the database is ahead of this version.
    """
    # Alembic takes a fifth of a server's start, and a server whose schema is current does without.
    from syncline_server.store.migrations.upgrade import upgrade

    try:
        await check_current(engines)
    except SchemaNotCurrent as error:
        if error.newer:
            raise
    with translated():
        async with engines.writing.begin() as connection:
            await engines.wait_without_limit(connection)
            await engines.lock(connection, _MIGRATION_LOCK)
            await connection.run_sync(upgrade)
            await _ensure_history(connection)
            return str(await connection.run_sync(_current))


async def check_current(engines: Engines) -> None:
    """Raise SchemaNotCurrent unless the schema is the one this version works with."""
    with translated():
        async with engines.reading.connect() as connection:
            found = await connection.run_sync(_current)
    require_current(found)


async def open_checkpoints(engines: Engines) -> CheckpointCodec:
    """Return the codec of this database's tokens, for its key."""
    with translated():
        async with engines.reading.connect() as connection:
            key = (await connection.execute(select(checkpoint_keys).order_by(checkpoint_keys.c.id.desc()))).first()
    assert key is not None, "migrate makes a key"
    return CheckpointCodec(key.id, key.secret)


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


async def _ensure_history(connection: AsyncConnection) -> None:
    now: dict[str, Any] = {"created_at_us": system_clock_us()}
    if (await connection.execute(select(checkpoint_keys.c.id))).first() is None:
        secret = secrets.token_bytes(_SECRET_BYTES)
        await connection.execute(insert(checkpoint_keys).values(id=1, secret=secret, **now))
    if (await connection.execute(select(epochs.c.id))).first() is None:
        first = {"number": 1, "id": secrets.randbits(63), "started_at_us": now["created_at_us"]}
        await connection.execute(insert(epochs).values(**first, cause=Cause.MADE, incarnation=""))
