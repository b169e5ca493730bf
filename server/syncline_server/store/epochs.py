"""How a new epoch begins: by itself where a database has come to life again, or by hand (see sync/history.py).

A copy of a database comes to life at a start: of the server that owns a SQLite file, of a PostgreSQL server, of a
standby that is promoted. Nothing may be committed after that before the epoch is recorded: on SQLite the server begins
one before it does anything else, on PostgreSQL every connection that can write looks at the incarnation of the database
before it is used. A connection never outlives the incarnation it was made in: those made to a standby are refused.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import asyncpg
from sqlalchemy import event, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.store.tables import epochs
from syncline_server.sync.errors import StoreUnavailable

_LOCK: Final = 7_001_002
"""PostgreSQL advisory lock: epochs begin, and projects are made, one at a time."""
_UNKNOWN: Final = "-"
_INCARNATION: Final = """
    SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint || '/' || (
        SELECT oid FROM pg_database WHERE datname = current_database()) || '/' || 'projects'::regclass::oid"""
"""A dump that is restored makes the table anew."""
_PRIVILEGED: Final = (
    "SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)",
    "SELECT system_identifier FROM pg_control_system()",
)
"""Timeline and system identifier, where the role may see them; the start time alone tells nearly as much."""

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


async def begin_on_sqlite(engines: Engines, clock_us: Callable[[], int]) -> None:
    """Begin the epoch of a start, by the server that owns the file. Raises StoreUnavailable."""
    with translated():
        async with engines.writing.begin() as connection:
            await _begin(_executed_by(connection), Cause.START, f"start/{secrets.token_hex(8)}", clock_us())


async def begin_by_hand(engines: Engines, clock_us: Callable[[], int]) -> RecordedEpoch:
    """Begin an epoch whatever the database's incarnation. Raises StoreUnavailable."""
    with translated():
        async with engines.writing.begin() as connection:
            execute = _executed_by(connection)
            await lock(connection)
            now = clock_us() if engines.database.is_sqlite else await _database_clock_us(execute)
            return await _begin(execute, Cause.COMMAND, await _recorded_incarnation(execute), now)


async def recorded(engines: Engines) -> list[RecordedEpoch]:
    """Return all epochs, oldest first. Raises StoreUnavailable."""
    with translated():
        async with engines.reading.connect() as connection:
            rows = (await connection.execute(select(epochs).order_by(epochs.c.number))).all()
    return [RecordedEpoch(row.number, row.id, row.started_at_us, Cause(row.cause), row.incarnation) for row in rows]


async def in_force(connection: AsyncConnection) -> int:
    """Return the id of the epoch in force, which stays so until the transaction ends."""
    await lock(connection)
    newest = select(epochs.c.id).order_by(epochs.c.number.desc()).limit(1)
    return int((await connection.execute(newest)).scalar_one())


async def lock(connection: AsyncConnection) -> None:
    """Keep others from beginning epochs until the transaction ends; on SQLite, it does so by itself."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


async def guard(engines: Engines, clock_us: Callable[[], int] | None) -> None:
    """See to it that from now on every connection to PostgreSQL is to the primary, and of the epoch in force.

    Before a connection can write, the epoch of the database's incarnation is recorded. `clock_us` takes the place of
    the database's clock, in tests.
    """

    async def check_writing(driver: "asyncpg.Connection[Any]") -> None:
        await _check_primary(driver)
        await _check_incarnation(driver, clock_us)

    for engine, check in ((engines.reading, _check_primary), (engines.writing, check_writing)):
        _check_when_connected(engine.sync_engine, check)
        await engine.dispose()  # of connections that were not checked


def _check_when_connected(engine: Any, check: Callable[[Any], Awaitable[None]]) -> None:
    async def checked(driver: "asyncpg.Connection[Any]") -> None:
        try:
            await check(driver)
        except BaseException as error:
            driver.terminate()
            if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | OSError):
                raise StoreUnavailable from error
            raise

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.run_async(checked)


async def _check_primary(driver: "asyncpg.Connection[Any]") -> None:
    # One that was made before the promotion would write after it, unseen.
    if await driver.fetchval("SELECT pg_is_in_recovery()"):
        raise StoreUnavailable from ConnectionError("it is a standby; connect to the primary")


async def _check_incarnation(driver: "asyncpg.Connection[Any]", clock_us: Callable[[], int] | None) -> None:
    execute: Execute = lambda statement, parameters: driver.fetch(statement, *parameters)  # noqa: E731  # an adapter
    incarnation = await _incarnation(driver)
    if _is_same(await _recorded_incarnation(execute), incarnation):
        return
    async with driver.transaction(isolation="read_committed"):
        await driver.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        if not _is_same(await _recorded_incarnation(execute), incarnation):
            now = clock_us() if clock_us else await _database_clock_us(execute)
            await _begin(execute, Cause.INCARNATION, incarnation, now)


async def _incarnation(driver: "asyncpg.Connection[Any]") -> str:
    parts = [await driver.fetchval(_INCARNATION)]
    for statement in _PRIVILEGED:
        try:
            parts.append(str(await driver.fetchval(statement)))
        except (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedFunctionError, asyncpg.FeatureNotSupportedError):
            parts.append(_UNKNOWN)
    return "/".join(parts)


def _is_same(one: str, other: str) -> bool:
    """Tell whether two incarnations are the same, as far as both are known."""
    parts, others = one.split("/"), other.split("/")
    return len(parts) == len(others) and all(
        _UNKNOWN in (part, its) or part == its for part, its in zip(parts, others, strict=True)
    )


async def _recorded_incarnation(execute: Execute) -> str:
    ((incarnation,),) = await execute("SELECT incarnation FROM epochs ORDER BY number DESC LIMIT 1", ())
    return str(incarnation)


async def _database_clock_us(execute: Execute) -> int:
    ((now,),) = await execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint", ())
    return int(now)


async def _begin(execute: Execute, cause: Cause, incarnation: str, now_us: int) -> RecordedEpoch:
    """Record the forks of the epoch that ends, and begin the next; the transaction holds the lock on epochs."""
    ((number,),) = await execute("SELECT max(number) FROM epochs", ())
    begun = RecordedEpoch(number + 1, secrets.randbits(63), now_us, cause, incarnation)
    await execute(_LOCK_HEADS, (begun.id,))
    await execute(_PULL_BACK_FORKS, ())
    await execute(_RECORD_FORKS, (number,))
    await execute(_RECORD_EPOCH, (begun.number, begun.id, now_us, cause.value, incarnation))
    return begun


_LOCK_HEADS: Final = "UPDATE projects SET epoch_id = $1"
"""Waits for the commits that are under way. Who has waited for this sees the new epoch with the head."""
_LAST_FORK: Final = """coalesce((
        SELECT fork_revision FROM epoch_forks
        WHERE project_id = projects.id ORDER BY epoch_number DESC LIMIT 1), 0)"""
_PULL_BACK_FORKS: Final = f"""
    UPDATE epoch_forks SET fork_revision = back.head
    FROM (SELECT id, head FROM projects WHERE head < {_LAST_FORK}) AS back
    WHERE back.id = epoch_forks.project_id AND epoch_forks.fork_revision > back.head"""  # noqa: S608  # our own words
"""Forks go back with the log, being in the same database; where single tables were restored, they follow."""
_RECORD_FORKS: Final = f"""
    INSERT INTO epoch_forks (project_id, epoch_number, fork_revision)
    SELECT id, CAST($1 AS integer), head FROM projects WHERE head > {_LAST_FORK}"""  # noqa: S608  # as above
"""A project whose head has not moved needs none: no position is of the epoch that ends."""
_RECORD_EPOCH: Final = """
    INSERT INTO epochs (number, id, started_at_us, cause, incarnation) VALUES ($1, $2, $3, $4, $5)"""


def _executed_by(connection: AsyncConnection) -> Execute:
    async def execute(statement: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        if connection.dialect.name == "sqlite":
            statement = statement.replace("$", "?")
        result = await connection.exec_driver_sql(statement, parameters)
        return result.all() if result.returns_rows else []

    return execute
