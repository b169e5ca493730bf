"""The log in SQL: runs the statements of one database and speaks in the values of the rules."""

import json
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import aiosqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.store.histories import Histories
from syncline_server.store.sql import POSTGRESQL, SQLITE, PageShape, Statements
from syncline_server.store.sqlite import SqliteCheckpointer
from syncline_server.sync.changes import Version
from syncline_server.sync.errors import StoreUnavailable
from syncline_server.sync.history import History
from syncline_server.sync.store import (
    LockedHead,
    PageQuery,
    PageRow,
    ShownPosition,
    Standing,
    StandingQuery,
    Store,
    StoredPage,
    WriteTransaction,
)

_FIRST_ROWS: Final = 16
"""A page may be a thousand small versions or a few large ones; the first few tell which."""

Row = Sequence[Any]


def system_clock_us() -> int:
    """Return this machine's time, µs since the Unix epoch."""
    return time.time_ns() // 1000


def open_store(engines: Engines, clock_us: Callable[[], int] | None = None) -> Store:
    """Return the store behind these engines; `clock_us` takes the place of its clock, in tests."""
    if engines.database.is_sqlite:
        return SqliteStore(engines, clock_us or system_clock_us)
    return PostgresqlStore(engines, clock_us)


class _Transaction(ABC):
    """One transaction; what differs between databases is how many values go into a statement."""

    def __init__(
        self, connection: AsyncConnection, sql: Statements, clock_us: Callable[[], int] | None, histories: Histories
    ) -> None:
        self._connection = connection
        self._sql = sql
        self._clock_us = clock_us
        self._histories = histories

    async def lock_head(self, project_id: int) -> LockedHead:
        ((head, clock_us, epoch_id),) = await self._rows(self._sql.lock_head, (project_id,))
        history = await self._histories.of(project_id, epoch_id, self._rows)
        return LockedHead(head, self._clock_us() if self._clock_us else clock_us, history)

    async def positions(self, session_keys: Collection[str]) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for key, entity_type, revision in await self._rows(self._sql.positions, (self._many(session_keys),)):
            found.setdefault(key, {})[entity_type] = revision
        return found

    async def standings(self, project_id: int, queries: Collection[StandingQuery]) -> dict[StandingQuery, Standing]:
        asked = list(queries)
        rows = await self._rows(self._sql.standings, (project_id, *self._table(asked)))
        return {asked[ordinal - self._first_ordinal]: Standing(head, bool(foreign)) for ordinal, head, foreign in rows}

    async def versions(self, keys: Collection[str], *, max_inline_bytes: int) -> dict[str, Version]:
        rows = await self._rows(self._sql.versions, (max_inline_bytes, self._many(keys)))
        return {row[0]: Version._make(row) for row in rows}

    async def large_data(self, keys: Collection[str]) -> dict[str, str]:
        rows = await self._rows(self._sql.large_data, (self._many(keys),))
        return {row[0]: row[1] for row in rows}

    async def move_head(self, project_id: int, head: int) -> None:
        await self._connection.exec_driver_sql(self._sql.move_head, (head, project_id))

    async def _rows(self, statement: str, parameters: tuple[Any, ...]) -> Sequence[Row]:
        return (await self._connection.exec_driver_sql(statement, parameters)).all()

    @abstractmethod
    async def write(self, project_id: int, versions: Collection[Version]) -> None: ...

    @abstractmethod
    async def save_positions(self, project_id: int, positions: Iterable[ShownPosition]) -> None: ...

    _first_ordinal: int

    @abstractmethod
    def _many(self, values: Collection[str]) -> Any:
        """Return the parameter that stands for many values."""

    @abstractmethod
    def _table(self, rows: Collection[tuple[Any, ...]]) -> tuple[Any, ...]:
        """Return the parameters that stand for a table of values."""


class _SqliteTransaction(_Transaction):
    _first_ordinal = 0

    def __init__(
        self,
        connection: AsyncConnection,
        driver: aiosqlite.Connection,
        sql: Statements,
        clock_us: Callable[[], int],
        histories: Histories,
    ) -> None:
        super().__init__(connection, sql, clock_us, histories)
        self._driver = driver

    async def write(self, project_id: int, versions: Collection[Version]) -> None:
        await self._driver.executemany(self._sql.write, [(project_id, *version) for version in versions])

    async def save_positions(self, project_id: int, positions: Iterable[ShownPosition]) -> None:
        now = system_clock_us()
        rows = [(*position, project_id, now) for position in positions]
        await self._driver.executemany(self._sql.save_positions, rows)

    async def move_head(self, project_id: int, head: int) -> None:
        await self._driver.execute_fetchall(self._sql.move_head, (head, project_id))

    async def _rows(self, statement: str, parameters: tuple[Any, ...]) -> Sequence[Row]:
        return list(await self._driver.execute_fetchall(statement, parameters))

    def _many(self, values: Collection[str]) -> str:
        return json.dumps(list(values))

    def _table(self, rows: Collection[tuple[Any, ...]]) -> tuple[Any, ...]:
        return (json.dumps(list(rows)),)


class _PostgresqlTransaction(_Transaction):
    _first_ordinal = 1

    async def write(self, project_id: int, versions: Collection[Version]) -> None:
        await self._connection.exec_driver_sql(self._sql.write, (project_id, *self._table(versions)))

    async def save_positions(self, project_id: int, positions: Iterable[ShownPosition]) -> None:
        now = system_clock_us()
        # In one order everywhere, so that two processes never wait for each other's rows.
        rows = sorted((*position, project_id, now) for position in positions)
        await self._connection.exec_driver_sql(self._sql.save_positions, self._table(rows))

    def _many(self, values: Collection[str]) -> list[str]:
        return list(values)

    def _table(self, rows: Collection[tuple[Any, ...]]) -> tuple[Any, ...]:
        return tuple(list(column) for column in zip(*rows, strict=True))


class _SqlStore(ABC):
    def __init__(self, engines: Engines, sql: Statements) -> None:
        self._engines = engines
        self._sql = sql
        self._histories = Histories(sql.history)

    async def page(self, query: PageQuery) -> StoredPage:
        shape = PageShape(
            of_user=query.user_id is not None,
            of_types=bool(query.entity_types),
            with_total=query.include_total,
            with_shown=query.session_key != "",
        )
        try:
            return await self._stored_page(self._sql.page(shape), query)
        except StoreUnavailable:
            # The pool may hold connections from before the database was restarted; after one has failed, none of them.
            # Or a new epoch has begun before the history of the page was read.
            return await self._stored_page(self._sql.page(shape), query)

    async def _stored_page(self, statement: str, query: PageQuery) -> StoredPage:
        rows = await self._engines.finished(self._read(statement, query))
        return _page(rows, query, await self._histories.of(query.project_id, int(rows[0][1]), self._fetch))

    async def _fetch(self, statement: str, parameters: tuple[Any, ...]) -> Sequence[Row]:
        async def fetched() -> Sequence[Row]:
            with translated():
                async with self._engines.reading.connect() as connection:
                    return (await connection.exec_driver_sql(statement, parameters)).all()

        return await self._engines.finished(fetched())

    async def _read(self, statement: str, query: PageQuery) -> list[Row]:
        with translated():
            async with self._engines.reading.connect() as connection:
                return await self._page_rows(connection, statement, query)

    @abstractmethod
    async def _page_rows(self, connection: AsyncConnection, statement: str, query: PageQuery) -> list[Row]:
        """Return the header, then rows up to at least one over the limit or over the most bytes, if there are."""


class SqliteStore(_SqlStore):
    """The log in an embedded SQLite database; one connection writes."""

    def __init__(self, engines: Engines, clock_us: Callable[[], int]) -> None:
        """Stamp revisions by `clock_us`, as SQLite has no finer clock of its own."""
        super().__init__(engines, SQLITE)
        self._clock_us = clock_us
        self._checkpointer = SqliteCheckpointer(engines.database.sqlite_path)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[WriteTransaction]:
        """Open a transaction, as sync.store.Store says."""
        with translated():
            async with self._engines.writing.connect() as connection:
                try:
                    async with connection.begin():
                        yield _SqliteTransaction(
                            connection, await _driver(connection), self._sql, self._clock_us, self._histories
                        )
                    await self._checkpointer.committed(connection)
                except (DBAPIError, sqlite3.Error):
                    # After a failed fsync the connection's idea of the file cannot be trusted.
                    await connection.invalidate()
                    raise

    async def _page_rows(self, connection: AsyncConnection, statement: str, query: PageQuery) -> list[Row]:
        types = json.dumps(query.entity_types)
        parameters = (query.project_id, query.user_id, query.session_key, query.after_revision, types)
        cursor = await (await _driver(connection)).execute(statement, (*parameters, query.limit + 1, query.skip))
        try:
            rows: list[Row] = list(await cursor.fetchmany(1))
            size_bytes, wanted, fetched = 0, _FIRST_ROWS, _FIRST_ROWS
            # SQLite steps through a statement as its rows are asked for: ask for no more than will fill the page.
            while fetched == wanted and size_bytes <= query.max_bytes:
                if size_bytes:
                    wanted = min(query.limit, (query.max_bytes - size_bytes) * (len(rows) - 1) // size_bytes) + 1
                chunk = list(await cursor.fetchmany(wanted))
                rows.extend(chunk)
                fetched = len(chunk)
                size_bytes += sum([len(row[4]) for row in chunk])
        finally:
            await cursor.close()  # an open one holds on to its snapshot
        return rows


class PostgresqlStore(_SqlStore):
    """The log in PostgreSQL."""

    def __init__(self, engines: Engines, clock_us: Callable[[], int] | None) -> None:
        """Stamp revisions by the database's clock, or by `clock_us` in tests."""
        super().__init__(engines, POSTGRESQL)
        self._clock_us = clock_us

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[WriteTransaction]:
        """Open a transaction, as sync.store.Store says."""
        with translated():
            async with self._engines.writing.begin() as connection:
                yield _PostgresqlTransaction(connection, self._sql, self._clock_us, self._histories)

    async def _page_rows(self, connection: AsyncConnection, statement: str, query: PageQuery) -> list[Row]:
        parameters = (
            query.project_id,
            query.user_id,
            query.session_key,
            query.after_revision,
            list(query.entity_types),
            query.limit + 1,
            query.skip,
            query.max_bytes,
        )
        return list((await connection.exec_driver_sql(statement, parameters)).all())


async def _driver(connection: AsyncConnection) -> aiosqlite.Connection:
    """Return the driver's own: each of its calls is a change of threads, and SQLAlchemy makes four a statement."""
    driver: aiosqlite.Connection | None = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    return driver


def _page(rows: list[Row], query: PageQuery, history: History) -> StoredPage:
    """Cut the page by count and by bytes (T2) and read its header."""
    header, page = rows[0], rows[1:]
    assert header[0] is None, "the header comes first"
    kept = min(len(page), query.limit)
    size_bytes = 0
    for index in range(kept):
        size_bytes += len(page[index][4].encode())
        if size_bytes > query.max_bytes and index > 0:
            kept = index
            break
    return StoredPage(
        rows=[PageRow._make(row) for row in page[:kept]],
        cut=0 < kept < len(page),
        project_head=header[6],
        user_head=header[7] or 0,
        total=header[5],
        shown=json.loads(header[4]) if header[4] else {},
        history=history,
    )
