"""How a new epoch begins: by itself where a database has come to life again, or by hand (see sync/history.py).

A copy of a database comes to life at a start: of the server that owns a SQLite file, of a PostgreSQL server, of a
standby that is promoted. Nothing may be committed after that before the epoch is recorded; `Engines.watch_epochs` sees
to it, in each database's own way.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from syncline_server.store import audit
from syncline_server.store.audit import Act
from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.store.tables import epochs

LOCK: Final = 7_001_002
"""Epochs begin, and projects are made, one at a time."""

Execute = Callable[[str, tuple[Any, ...]], Awaitable[Sequence[Any]]]
"""Runs a statement with positional parameters and returns its rows."""


class Cause(StrEnum):
    """Why an epoch began."""

    MADE = "made"
    """The database is new."""
    START = "start"
    """A server began to own a SQLite file."""
    INCARNATION = "incarnation"
    """PostgreSQL has started, was promoted, or holds another copy than before."""
    COMMAND = "command"
    """`syncline epoch new`."""


@dataclass(frozen=True, slots=True)
class RecordedEpoch:
    """An epoch as it is stored."""

    number: int
    id: int
    started_at_us: int
    cause: Cause
    incarnation: str
    """Of the database in which it began; empty when not known."""


async def begin_by_hand(
    engines: Engines, clock_us: Callable[[], int] | None = None, *, by: str = "server"
) -> RecordedEpoch:
    """Begin an epoch whatever the database's incarnation; `clock_us` takes the place of its clock, in tests.

    `by` is who does so, for the audit. Raises StoreUnavailable.
    """
    with translated():
        async with engines.writing.begin() as connection:
            await engines.lock(connection, LOCK)
            execute = partial(engines.execute, connection)
            now_us = clock_us() if clock_us else await engines.clock_us(connection)
            begun = await begin(execute, Cause.COMMAND, await recorded_incarnation(execute), now_us)
            await audit.record(connection, by, Act("epoch.begin", subject=str(begun.number)))
            return begun


async def recorded(engines: Engines) -> list[RecordedEpoch]:
    """Return all epochs, oldest first. Raises StoreUnavailable."""
    with translated():
        async with engines.reading.connect() as connection:
            rows = (await connection.execute(select(epochs).order_by(epochs.c.number))).all()
    return [RecordedEpoch(row.number, row.id, row.started_at_us, Cause(row.cause), row.incarnation) for row in rows]


async def in_force(engines: Engines, connection: AsyncConnection) -> int:
    """Return the id of the epoch in force, which stays so until the transaction ends."""
    await engines.lock(connection, LOCK)
    newest = select(epochs.c.id).order_by(epochs.c.number.desc()).limit(1)
    return int((await connection.execute(newest)).scalar_one())


async def recorded_incarnation(execute: Execute) -> str:
    """Return the incarnation of the database in which the newest epoch began."""
    ((incarnation,),) = await execute("SELECT incarnation FROM epochs ORDER BY number DESC LIMIT 1", ())
    return str(incarnation)


async def begin(execute: Execute, cause: Cause, incarnation: str, now_us: int) -> RecordedEpoch:
    """Record the forks of the epoch that ends, and begin the next; the transaction holds the lock on epochs."""
    ((number,),) = await execute("SELECT max(number) FROM epochs", ())
    begun = RecordedEpoch(number + 1, secrets.randbits(63), now_us, cause, incarnation)
    await execute(_LOCK_HEADS, (begun.id,))
    await execute(_PULL_BACK_FORKS, ())
    await execute(_RECORD_FORKS, (number,))
    await execute(_RECORD_EPOCH, (begun.number, begun.id, now_us, cause.value, incarnation))
    return begun


_LOCK_HEADS: Final = "UPDATE heads SET epoch_id = $1"
"""Waits for the commits that are under way. Who has waited for this sees the new epoch with the head."""
_HEAD: Final = """(SELECT max(revision) FROM (
        SELECT max(revision) AS revision FROM entities WHERE project_id = heads.project_id
        UNION ALL SELECT heads.head) AS known)"""
"""As SqlDialect.head_of, in words of both databases."""
_LAST_FORK: Final = """coalesce((
        SELECT fork_revision FROM epoch_forks
        WHERE project_id = heads.project_id ORDER BY epoch_number DESC LIMIT 1), 0)"""
_PULL_BACK_FORKS: Final = f"""
    UPDATE epoch_forks SET fork_revision = back.head
    FROM (SELECT project_id, {_HEAD} AS head FROM heads WHERE {_HEAD} < {_LAST_FORK}) AS back
    WHERE back.project_id = epoch_forks.project_id AND epoch_forks.fork_revision > back.head"""  # noqa: S608  # our own words
"""Forks go back with the log, being in the same database; where single tables were restored, they follow."""
_RECORD_FORKS: Final = f"""
    INSERT INTO epoch_forks (project_id, epoch_number, fork_revision)
    SELECT project_id, CAST($1 AS integer), {_HEAD} FROM heads WHERE {_HEAD} > {_LAST_FORK}"""  # noqa: S608  # as above
"""A project whose head has not moved needs none: no position is of the epoch that ends."""
_RECORD_EPOCH: Final = """
    INSERT INTO epochs (number, id, started_at_us, cause, incarnation) VALUES ($1, $2, $3, $4, $5)"""
