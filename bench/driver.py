"""The database's driver by itself, in one connection: the floor of writes and reads, and the way to fill a store.

The statements are the server's own, its settings too, so that the rows and what is durable are the same.
"""

import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from typing import Any, Final

import asyncpg

from bench.messages import DATA, TYPE
from bench.processes import Project
from syncline_server.rpc.codec import LAYOUT
from syncline_server.store.postgresql.sql import POSTGRESQL
from syncline_server.store.sqlite.sql import SQLITE
from syncline_server.sync.changes import Version
from syncline_server.sync.keys import entity_key

_COLUMNS: Final = "user_id, entity_type, entity_id, deleted, data, client_timestamp_us, created_revision, revision"
"""All that a reader gets of a version."""
_PRAGMAS: Final = ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 0", "cache_size = -65536")
_SERVER_SETTINGS: Final = {"synchronous_commit": "on", "jit": "off"}
_COMMITS_A_CHECKPOINT: Final = 128
"""As often as the server moves the WAL into the file."""


Row = tuple[Any, ...]
"""What the server stores of a version: its columns, and its opening."""


class Driver(ABC):
    """One connection to a project's database."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def rows(self, user: str, count: int, revision: int, ids: str = "seeded") -> Iterator[Row]:
        """Yield the rows of new entities of a user, with revisions in sequence."""
        for number in range(count):
            entity_id = f"{ids}-{number}"
            version = Version(
                key=entity_key(self.project.id, user, TYPE, entity_id),
                user_id=user,
                entity_type=TYPE,
                entity_id=entity_id,
                deleted=False,
                data=DATA,
                size_bytes=len(DATA),
                revision=revision + number,
                created_revision=revision + number,
                committed_ms=(revision + number) // 1000,
                client_timestamp_us=revision + number,
                session="device:bench",
                merged_unseen=False,
                digest=bytes(16),
            )
            yield *version, LAYOUT.opening(version)

    async def seed(self, user: str, count: int, revision: int) -> None:
        """Put entities into the store, as fast as it goes; before the server runs."""
        await self.load(self.rows(user, count, revision, f"seeded-{user}"))
        await self.settle()

    @abstractmethod
    async def load(self, rows: Iterator[Row]) -> None:
        """Put in many new rows."""

    @abstractmethod
    async def write(self, rows: Sequence[Row]) -> None:
        """Upsert rows in one transaction."""

    @abstractmethod
    async def settle(self) -> None:
        """Leave the database as it is after some rest."""

    @abstractmethod
    async def pages(self, user: str, after: int, size: int) -> AsyncIterator[Sequence[Any]]:
        """Fetch a user's rows page by page, with all that a reader gets of them."""
        yield ()

    @abstractmethod
    async def count(self) -> int:
        """Return the number of entities."""


class SqliteDriver(Driver):
    """sqlite3."""

    def __init__(self, project: Project, connection: sqlite3.Connection) -> None:
        super().__init__(project)
        self._connection = connection
        self._commits = 0

    async def write(self, rows: Sequence[Row]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(SQLITE.write, [(self.project.id, *row) for row in rows])
        self._connection.execute("COMMIT")
        self._commits += 1
        if self._commits % _COMMITS_A_CHECKPOINT == 0:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    async def load(self, rows: Iterator[Row]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(SQLITE.write, ((self.project.id, *row) for row in rows))
        self._connection.execute("COMMIT")

    async def settle(self) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async def pages(self, user: str, after: int, size: int) -> AsyncIterator[Sequence[Any]]:
        statement = f"""SELECT {_COLUMNS} FROM entities WHERE project_id = ? AND user_id = ? AND revision > ?
            ORDER BY revision LIMIT ?"""
        while rows := self._connection.execute(statement, (self.project.id, user, after, size)).fetchall():
            yield rows
            after = rows[-1][-1]

    async def count(self) -> int:
        ((count,),) = self._connection.execute("SELECT count(*) FROM entities").fetchall()
        return int(count)


class PostgresqlDriver(Driver):
    """asyncpg."""

    def __init__(self, project: Project, connection: "asyncpg.Connection[Any]") -> None:
        super().__init__(project)
        self._connection = connection

    async def write(self, rows: Sequence[Row]) -> None:
        columns = [list(column) for column in zip(*rows, strict=True)]
        async with self._connection.transaction():
            await self._connection.execute(POSTGRESQL.write, [self.project.id] * len(rows), *columns)

    async def load(self, rows: Iterator[Row]) -> None:
        columns = ["entity_key" if name == "key" else name for name in Version._fields]
        records = ((self.project.id, *row) for row in rows)
        await self._connection.copy_records_to_table(
            "entities", records=records, columns=["project_id", *columns, "opening"]
        )

    async def settle(self) -> None:
        await self._connection.execute("VACUUM ANALYZE entities")
        await self._connection.execute("CHECKPOINT")

    async def pages(self, user: str, after: int, size: int) -> AsyncIterator[Sequence[Any]]:
        statement = f"""SELECT {_COLUMNS} FROM entities WHERE project_id = $1 AND user_id = $2 AND revision > $3
            ORDER BY revision LIMIT $4"""
        while rows := await self._connection.fetch(statement, self.project.id, user, after, size):
            yield rows
            after = rows[-1][-1]

    async def count(self) -> int:
        return int(await self._connection.fetchval("SELECT count(*) FROM entities"))


@asynccontextmanager
async def connected(project: Project) -> AsyncIterator[Driver]:
    """Connect to a project's database."""
    if project.database_url.startswith("sqlite"):
        with closing(sqlite3.connect(project.database_url.removeprefix("sqlite:///"), isolation_level=None)) as file:
            for pragma in _PRAGMAS:
                file.execute(f"PRAGMA {pragma}")
            yield SqliteDriver(project, file)
        return
    connection = await asyncpg.connect(project.database_url, server_settings=_SERVER_SETTINGS)
    try:
        yield PostgresqlDriver(project, connection)
    finally:
        await connection.close()


async def upserts_per_second(driver: Driver, seconds: float, batch: int) -> float:
    """Upsert new rows, a batch a transaction, for about so long; returns rows a second."""
    rows = 0
    spent = 0.0
    while spent < seconds:
        # The rows are there before the clock runs.
        prepared = list(driver.rows("driver", batch * 50, time.time_ns() // 1000, f"driver-{time.time_ns()}"))
        started_at = time.perf_counter()
        for first in range(0, len(prepared), batch):
            await driver.write(prepared[first : first + batch])
        spent += time.perf_counter() - started_at
        rows += len(prepared)
    return rows / spent


async def fetched_per_second(driver: Driver, user: str, after: int, page: int) -> tuple[float, int]:
    """Fetch a user's rows; returns rows a second, and how many there were."""
    started_at = time.perf_counter()
    rows = 0
    async for fetched in driver.pages(user, after, page):
        rows += len(fetched)
    return rows / (time.perf_counter() - started_at), rows
