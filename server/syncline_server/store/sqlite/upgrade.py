"""How a SQLite file gets a newer schema: all at once, after a copy, since one process owns it."""

import asyncio
import logging
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from syncline_server.store import phases, schema
from syncline_server.store.engine import Engines
from syncline_server.store.tables import migrations
from syncline_server.store.wanted_schema import WANTED, MigrationRefused

_TIMES_THE_FILE: Final = 5
"""How much room a migration may need: the copy, the rows written again, the WAL that holds them, and some to spare."""

_log = logging.getLogger(__name__)


async def run(engines: Engines, path: Path, progress: Callable[[int, int], None] | None) -> None:
    """Run what has not been run yet. Raises MigrationRefused."""
    found = await schema.found(engines)
    if found is not None and found < WANTED:
        await asyncio.to_thread(_copy, path, found)
    # Alembic takes a fifth of a server's start, and a server whose schema is current does without.
    from syncline_server.store.migrations.upgrade import scripts, upgrade

    def upgraded(connection: Connection) -> None:
        migrations.create(connection, checkfirst=True)
        upgrade(connection, progress=progress)

    async with engines.writing.begin() as connection:
        await connection.run_sync(upgraded)
        for script in scripts(after=found):
            await phases.record_begun(connection, script.revision, script.revision)
            await phases.record_finished(connection, script.revision)
        await schema.ensure_history(connection)


def _copy(path: Path, found: str) -> None:
    """Keep the database as it is now, in a file beside it."""
    size = sum(each.stat().st_size for each in (path, Path(f"{path}-wal")) if each.exists())
    free = shutil.disk_usage(path.parent).free
    if free < size * _TIMES_THE_FILE:
        needed = _TIMES_THE_FILE * size >> 20
        raise MigrationRefused(f"the migration of {path} may need {needed} MiB of disk, and {free >> 20} MiB are free")
    copy = path.with_name(f"{path.name}.before-{WANTED}")
    unfinished = copy.with_name(f"{copy.name}.part")
    for old in (copy, unfinished):
        old.unlink(missing_ok=True)
    # As one read transaction: a copy in steps never ends while others write.
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(unfinished)) as target:
        source.backup(target, pages=-1)
    unfinished.chmod(path.stat().st_mode)
    unfinished.rename(copy)
    _log.warning("the database of schema %s is kept as %s; delete it when all is well", found, copy)
