"""The log in an embedded SQLite database; one connection writes."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import cache
from itertools import chain
from typing import Any, Final

from syncline_server.store.engine import Connections
from syncline_server.store.errors import translated
from syncline_server.store.histories import Histories
from syncline_server.store.sql_store import SqlStore
from syncline_server.store.sql_transaction import LogSql, Row, SqlTransaction
from syncline_server.store.sqlite.connections import SMALL_BYTES, SqliteConnections, SqliteWriter
from syncline_server.store.sqlite.sql import SQLITE
from syncline_server.sync.layout import Layout
from syncline_server.sync.store import WriteTransaction

_ROWS_OF_A_STATEMENT: Final = (64, 32, 16, 8, 4, 2, 1)
"""Each step of a statement takes the interpreter's lock from the loop: many rows go into one."""


class SqliteStore(SqlStore):
    """See sync.store.Store."""

    _at_once_bytes = SMALL_BYTES
    writes_at_once = 1

    def __init__(self, connections: SqliteConnections, layout: Layout, clock_us: Callable[[], int]) -> None:
        """Stamp revisions by `clock_us`, as SQLite has no finer clock of its own."""
        super().__init__(LogSql(SQLITE, clock_us, Histories(SQLITE.history), layout), Connections().reading)
        self._connections = connections

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[WriteTransaction]:
        """Open a transaction, as sync.store.Store says."""
        with translated():
            async with self._connections.writer.transaction():
                yield _SqliteTransaction(self._connections.writer, self._log)

    async def _rows(self, statement: str, parameters: tuple[Any, ...], *, is_large: bool = False) -> Sequence[Row]:
        return await self._connections.readers.run(
            lambda connection: connection.execute(statement, parameters).fetchall(), is_large=is_large
        )


class _SqliteTransaction(SqlTransaction):
    _first_ordinal = 0

    def __init__(self, writer: SqliteWriter, log: LogSql) -> None:
        super().__init__(log)
        self._writer = writer

    async def _upsert(self, statement: str, rows: list[tuple[Any, ...]], size_bytes: int = 0) -> None:
        def write(connection: sqlite3.Connection) -> None:
            start = 0
            for size in _ROWS_OF_A_STATEMENT:
                while len(rows) - start >= size:
                    connection.execute(_of_rows(statement, size), tuple(chain(*rows[start : start + size])))
                    start += size

        await self._writer.run(write, len(rows), size_bytes)

    async def _rows(
        self, statement: str, parameters: tuple[Any, ...], items: int = 1, size_bytes: int = 0
    ) -> Sequence[Row]:
        return await self._writer.run(
            lambda connection: connection.execute(statement, parameters).fetchall(), items, size_bytes
        )

    def _table(self, rows: Collection[tuple[Any, ...]]) -> tuple[Any, ...]:
        return (json.dumps(list(rows)),)


@cache
def _of_rows(statement: str, rows: int) -> str:
    """Return a statement that inserts one row as one that inserts several."""
    before, values, row = statement.partition("VALUES ")
    row, end, after = row.partition(")")
    return f"{before}{values}{', '.join([row + end] * rows)}{after}"
