"""The log in PostgreSQL.

Statements go straight to the driver: SQLAlchemy's pool keeps the connections, and its layers above them cost more than
the statements do.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from syncline_server.store.errors import ConnectionLost, translated
from syncline_server.store.histories import Histories
from syncline_server.store.postgresql.committing import CommitWatch
from syncline_server.store.postgresql.incarnation import Tables, tables_of
from syncline_server.store.postgresql.older_rows import CONVERT, MIRROR_HEAD, converted_keys
from syncline_server.store.postgresql.sql import POSTGRESQL
from syncline_server.store.sql_store import SqlStore
from syncline_server.store.sql_transaction import LogSql, Row, SqlTransaction
from syncline_server.sync.changes import Version
from syncline_server.sync.layout import Layout
from syncline_server.sync.store import WriteTransaction

MAX_WRITING_SECONDS = 20.0
"""Of a transaction; longer than its time limits in postgresql/engine.py, which only a database keeps that is there."""
MAX_READING_SECONDS = 35.0
"""Of a read, likewise."""

Driver: TypeAlias = "asyncpg.Connection[Any]"


class PostgresqlStore(SqlStore):
    """See sync.store.Store."""

    _at_once_bytes = sys.maxsize
    writes_at_once = 3

    def __init__(
        self, writing: AsyncEngine, reading: AsyncEngine, tries: int, layout: Layout, clock_us: Callable[[], int] | None
    ) -> None:
        """Try a read so often where its connections turn out to be none.

        Stamp revisions by the database's clock, or by `clock_us` in tests.
        """
        super().__init__(LogSql(POSTGRESQL, clock_us, Histories(POSTGRESQL.history), layout), tries)
        self._writing = writing
        self._reading = reading

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[WriteTransaction]:
        """Open a transaction, as sync.store.Store says."""
        with translated():
            async with _driver(self._writing, MAX_WRITING_SECONDS) as (driver, tables):
                with CommitWatch(driver) as watch:
                    async with driver.transaction(isolation="read_committed"):
                        yield _PostgresqlTransaction(driver, tables, self._log)
                        watch.begin()

    def _older_keys(self, keys: Sequence[str]) -> Sequence[str]:
        return converted_keys(keys)[0]

    async def _rows(self, statement: str, parameters: tuple[Any, ...], *, is_large: bool = False) -> Sequence[Row]:
        async with _driver(self._reading, MAX_READING_SECONDS) as (driver, tables):
            try:
                return _of_place(driver, tables.place, await driver.fetch(statement, *parameters))
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
                # The pool may hold connections from before PostgreSQL was restarted, or one that it is ending now.
                if not driver.is_closed() and not isinstance(error, asyncpg.InternalClientError):
                    raise
                driver.terminate()
                raise ConnectionLost from error


class _PostgresqlTransaction(SqlTransaction):
    _first_ordinal = 1

    def __init__(self, driver: Driver, tables: Tables, log: LogSql) -> None:
        super().__init__(log)
        self._driver = driver
        self._tables = tables

    async def write(self, versions: Mapping[int, Collection[Version]]) -> None:
        await super().write(versions)
        if self._tables.heads_are_mirrored:
            for project_id in versions:
                await self._rows(MIRROR_HEAD, (project_id,))

    async def versions(
        self, project_id: int | None, keys: Collection[str], *, max_inline_bytes: int
    ) -> dict[str, Version]:
        for older in self._older:
            await self._rows(CONVERT, (older, *converted_keys(keys)))
        return await super().versions(project_id, keys, max_inline_bytes=max_inline_bytes)

    async def _upsert(self, statement: str, rows: list[tuple[Any, ...]], size_bytes: int = 0) -> None:
        await self._rows(statement, self._table(rows))

    async def _rows(
        self, statement: str, parameters: tuple[Any, ...], items: int = 1, size_bytes: int = 0
    ) -> Sequence[Row]:
        return _of_place(self._driver, self._tables.place, await self._driver.fetch(statement, *parameters))

    def _table(self, rows: Collection[tuple[Any, ...]]) -> tuple[Any, ...]:
        return tuple(zip(*rows, strict=True))


@asynccontextmanager
async def _driver(engine: AsyncEngine, most_seconds: float) -> AsyncIterator[tuple[Driver, Tables]]:
    """Take the driver's connection out of the pool, with the tables it is for; one that has broken does not go back.

    It is broken off when it is needed for too long (T6). A database that is gone without a word answers nothing and
    refuses nothing, and who waited for it would hold the head of a project's log, or keep its followers waiting. The
    statement that waits fails, as with any lost connection; to cancel it would be to wait for it, too.
    """
    async with engine.connect() as connection:
        driver = await _driver_of(connection)
        while driver.is_closed():  # Found closed in the pool: as many as a restart of PostgreSQL leaves there.
            await connection.invalidate()
            driver = await _driver_of(connection)
        timer = asyncio.get_running_loop().call_later(most_seconds, driver.terminate)
        try:
            yield driver, tables_of(connection)
        except asyncpg.InternalClientError:
            driver.terminate()
            raise
        finally:
            timer.cancel()
            if driver.is_closed():
                await connection.invalidate()


def _of_place(driver: Driver, place: int | None, rows: Any) -> Sequence[Row]:
    """Return rows, unless they are of other tables than the connection is for. Raises ConnectionLost.

    A dump that is restored over the database makes the tables anew; the next connection sees the new incarnation.
    """
    found = rows[0].get("place") if rows else None
    if found is not None and place is not None and found != place:
        driver.terminate()
        raise ConnectionLost
    found_rows: Sequence[Row] = rows
    return found_rows


async def _driver_of(connection: AsyncConnection) -> Driver:
    driver: Driver | None = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    return driver
