"""Backups: an operator makes one while servers run, and puts one back when none does."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from syncline_server.operate.census import BACKUP
from syncline_server.store import audit, epochs
from syncline_server.store.audit import Act
from syncline_server.store.copies import Report
from syncline_server.store.database import Database
from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.store.opening import current_engines
from syncline_server.store.tables import epoch_forks


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has put in place."""

    head_us: int
    """When the newest change in it was committed, µs since the Unix epoch; 0: there is none."""
    epoch: int
    """The number of the epoch that has begun: who has read what the copy lacks is told."""
    kept: str
    """What became of the database that was there; empty: there was none."""


async def back_up(where: Database, into: Path, report: Report) -> None:
    """Write a copy of the database to a new file. Raises CopyRefused and NoDatabaseFile."""
    await asyncio.to_thread(where.copies().back_up, into, report)


async def note_backup(engines: Engines, by: str) -> None:
    """Record that a copy was made; monitoring tells its age. Raises StoreUnavailable."""
    with translated():
        async with engines.writing.begin() as connection:
            await audit.record(connection, by, Act(BACKUP))


async def restore(where: Database, backup: Path, report: Report, by: str = "server") -> Restored:
    """Put a copy in place and begin an epoch; `by` is who does so, for the audit.

    Raises CopyRefused, DatabaseInUse, SchemaNotCurrent (the backup is of another version) and StoreUnavailable.
    """
    kept = await asyncio.to_thread(where.copies().restore, backup, report)
    async with current_engines(where) as engines:
        async with engines.writing_alone():
            begun = await epochs.begin_by_hand(engines, by=by)
        return Restored(await _head_us(engines), begun.number, kept)


async def _head_us(engines: Engines) -> int:
    """Return the last of all heads: each is a fork by now, since an epoch has just begun."""
    with translated():
        async with engines.reading.connect() as connection:
            return int((await connection.execute(select(func.max(epoch_forks.c.fork_revision)))).scalar() or 0)
