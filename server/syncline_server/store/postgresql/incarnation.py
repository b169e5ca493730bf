"""Which incarnation of a PostgreSQL database a connection is to: no connection outlives the one it was made in.

A copy comes to life with a start of PostgreSQL and with a promotion. Every connection that can write looks at the
incarnation before it is used, so that nothing is committed before the epoch is recorded; those made to a standby are
refused.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, TypeAlias

import asyncpg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from syncline_server.store import epochs
from syncline_server.store.errors import ConnectionLost
from syncline_server.store.postgresql.committing import CommitWatch
from syncline_server.store.tables import metadata
from syncline_server.sync.errors import StoreUnavailable

_UNKNOWN: Final = "-"
_TABLES: Final = "tables"
PLACE: Final = "to_regclass('projects')::oid::bigint"
"""Which tables these are: a dump that is restored over a database makes them anew."""
_ARE_MIRRORED: Final = "EXISTS (SELECT FROM pg_trigger WHERE tgname = 'syncline_mirror_head')"
_UNFINISHED: Final = """
    SELECT name FROM unnest($1::text[]) AS name
    WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass(name) AND contype = 'p') LIMIT 1"""
"""A restore gives a table its primary key once it has its rows."""
_INCARNATION: Final = """
    SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint || '/' || (
        SELECT oid FROM pg_database WHERE datname = current_database()) || '/' || 'projects'::regclass::oid"""
"""A dump that is restored makes the table anew."""
_PRIVILEGED: Final = (
    "SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)",
    "SELECT system_identifier FROM pg_control_system()",
)
"""Timeline and system identifier, where the role may see them; the start time alone tells nearly as much."""

Driver: TypeAlias = "asyncpg.Connection[Any]"


class Tables(NamedTuple):
    """The tables that a connection was made for."""

    place: int | None
    """Which they are; None: there were none yet."""
    heads_are_mirrored: bool
    """Servers of schema 0003 may read them, until the migration to 0004 is finished: these look for heads elsewhere."""


def check_when_connected(engine: AsyncEngine, check: Callable[[Driver], Awaitable[None]]) -> None:
    """Have every new connection checked before it is used."""

    async def checked(driver: Driver) -> None:
        try:
            await check(driver)
        except BaseException as error:
            driver.terminate()
            if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | OSError | ConnectionLost):
                raise StoreUnavailable from error
            raise

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.run_async(checked)


async def check_primary(driver: Driver) -> None:
    """Refuse a standby. Raises StoreUnavailable."""
    # One that was made before the promotion would write after it, unseen.
    if await driver.fetchval("SELECT pg_is_in_recovery()"):
        raise StoreUnavailable from ConnectionError("it is a standby; connect to the primary")


async def check_whole(driver: Driver) -> None:
    """Refuse tables that are just being restored. Raises StoreUnavailable."""
    unfinished = await driver.fetchval(_UNFINISHED, list(metadata.tables))
    if unfinished:
        raise StoreUnavailable from ConnectionError(f"its table {unfinished} is not whole; is it being restored?")


def remember_tables(engine: AsyncEngine) -> None:
    """Have every connection know which tables it was made for; see `tables_of`."""

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        async def find(driver: Driver) -> None:
            (found,) = await driver.fetch(f"SELECT {PLACE}, {_ARE_MIRRORED}")
            record.info[_TABLES] = Tables(*found)

        connection.run_async(find)


def tables_of(connection: AsyncConnection) -> Tables:
    """Return the tables that a connection was made for."""
    tables: Tables = connection.info[_TABLES]
    return tables


async def check_incarnation(driver: Driver, clock_us: Callable[[], int] | None) -> None:
    """Begin an epoch where the newest one began in another incarnation."""

    async def execute(statement: str, parameters: tuple[Any, ...]) -> Any:
        return await driver.fetch(statement, *parameters)

    incarnation = await _incarnation(driver)
    if _is_same(await epochs.recorded_incarnation(execute), incarnation):
        return
    with CommitWatch(driver) as watch:
        async with driver.transaction(isolation="read_committed"):
            await driver.execute("SELECT pg_advisory_xact_lock($1)", epochs.LOCK)
            if not _is_same(await epochs.recorded_incarnation(execute), incarnation):
                clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
                now_us = clock_us() if clock_us else await driver.fetchval(clock)
                await epochs.begin(execute, epochs.Cause.INCARNATION, incarnation, now_us)
            watch.begin()


async def _incarnation(driver: Driver) -> str:
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
