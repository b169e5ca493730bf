"""How the schema gets onto a database, and whether the one there is current."""

import secrets
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from syncline_server.store.clock import system_clock_us
from syncline_server.store.engine import Engines
from syncline_server.store.epochs import Cause
from syncline_server.store.errors import translated
from syncline_server.store.tables import checkpoint_keys, epochs
from syncline_server.sync.checkpoint import CheckpointCodec

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_MIGRATION_LOCK: Final = 7_001_001
"""PostgreSQL advisory lock: two processes never migrate at once."""
_SECRET_BYTES: Final = 32


class SchemaNotCurrent(Exception):
    """The database's schema is not the one this version works with."""

    def __init__(self, found: str | None, wanted: str, *, newer: bool) -> None:
        advice = "use a newer version of Syncline" if newer else "run `syncline migrate` on it first"
        super().__init__(f"the database's schema is at {found or 'nothing'}, this version needs {wanted}: {advice}")
        self.newer = newer


async def migrate(engines: Engines) -> str:
    """Bring the schema up to date and return its revision; on a new database also make its history and its keys.

    Raises SchemaNotCurrent when the database is ahead of this version.
    """
    try:
        await check_current(engines)
    except SchemaNotCurrent as error:
        if error.newer:
            raise
    with translated():
        async with engines.writing.begin() as connection:
            if not engines.database.is_sqlite:
                await connection.execute(text("SET LOCAL lock_timeout = 0"))
                await connection.execute(text("SET LOCAL statement_timeout = 0"))
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            await connection.run_sync(_upgrade)
            await _ensure_history(connection)
            return str(await connection.run_sync(_current))


async def check_current(engines: Engines) -> None:
    """Raise SchemaNotCurrent unless the schema is the one this version works with."""
    with translated():
        async with engines.reading.connect() as connection:
            found = await connection.run_sync(_current)
    scripts = ScriptDirectory.from_config(_config())
    wanted = scripts.get_current_head()
    assert wanted is not None, "there are migrations"
    if found != wanted:
        known = {script.revision for script in scripts.walk_revisions()}
        raise SchemaNotCurrent(found, wanted, newer=found is not None and found not in known)


async def open_checkpoints(engines: Engines) -> CheckpointCodec:
    """Return the codec of this database's tokens, for its key."""
    with translated():
        async with engines.reading.connect() as connection:
            key = (await connection.execute(select(checkpoint_keys).order_by(checkpoint_keys.c.id.desc()))).first()
    assert key is not None, "migrate makes a key"
    return CheckpointCodec(key.id, key.secret)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def _ensure_history(connection: AsyncConnection) -> None:
    now: dict[str, Any] = {"created_at_us": system_clock_us()}
    if (await connection.execute(select(checkpoint_keys.c.id))).first() is None:
        secret = secrets.token_bytes(_SECRET_BYTES)
        await connection.execute(insert(checkpoint_keys).values(id=1, secret=secret, **now))
    if (await connection.execute(select(epochs.c.id))).first() is None:
        first = {"number": 1, "id": secrets.randbits(63), "started_at_us": now["created_at_us"]}
        await connection.execute(insert(epochs).values(**first, cause=Cause.MADE, incarnation=""))
