"""How a database is reached: its URL, its engines and the settings of their connections (L6, T6)."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from syncline_server.store.sqlite.connections import SqliteConnections
from syncline_server.store.sqlite.file import checkpoint_excluded

SQLITE_FILE: Final = "syncline.db"
_READ_CONNECTIONS: Final = 8
_WRITE_CONNECTIONS: Final = 6
"""On PostgreSQL: one for each project that is committing; more projects take turns."""
_POOL_TIMEOUT_SECONDS: Final = 10
_CONNECT_TIMEOUT_SECONDS: Final = 3
_CLOSE_SECONDS: Final = 5
_POSTGRESQL_WRITING: Final = {
    "application_name": "syncline-write",
    "lock_timeout": "3s",
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": "5s",
    "synchronous_commit": "on",
    # Look-ups of a push have one right plan, by index, from the first row on: before a table's first ANALYZE the
    # planner knows no better than to guess. So they are planned once a connection: that takes longer than a look-up.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}
_POSTGRESQL_READING: Final = {
    "application_name": "syncline-read",
    "statement_timeout": "30s",
    "default_transaction_read_only": "on",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    # As above. Whatever state the table was in when it was made, the plan has to be the right one: test_plans.py.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}


T = TypeVar("T")


class DatabaseUrlInvalid(ValueError):
    """A database URL is not one of a database that is spoken here."""


@dataclass(frozen=True, slots=True)
class Database:
    """Where the log is kept."""

    url: URL

    @property
    def is_sqlite(self) -> bool:
        """Whether it is the embedded one."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def sqlite_path(self) -> Path:
        """The file of an embedded database."""
        assert self.url.database is not None
        return Path(self.url.database)

    def __str__(self) -> str:
        """Describe it without its password."""
        return self.url.render_as_string(hide_password=True)


def database(url: str | None, data_dir: Path) -> Database:
    """Return the database that `url` names; None: the SQLite file in `data_dir`.

    Raises DatabaseUrlInvalid.
    """
    if url is None:
        return Database(URL.create("sqlite+aiosqlite", database=str(data_dir / SQLITE_FILE)))
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseUrlInvalid("not a database URL; give postgresql://… or sqlite:///path") from None
    match parsed.get_backend_name():
        case "postgresql" | "postgres":
            return Database(parsed.set(drivername="postgresql+asyncpg"))
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return Database(parsed.set(drivername="sqlite+aiosqlite"))
    raise DatabaseUrlInvalid("give postgresql://… or sqlite:///path")


@dataclass(frozen=True, slots=True)
class Engines:
    """One engine that writes and one that reads."""

    database: Database
    writing: AsyncEngine
    reading: AsyncEngine
    sqlite: SqliteConnections | None = None
    """Those of the log, on SQLite; the engines serve what is asked seldom."""
    _unfinished: "set[asyncio.Task[Any]]" = field(default_factory=set)

    async def finished(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work that uses a connection of an engine: on SQLite to its end, whatever becomes of the caller.

        There, a connection that is cancelled while it is being set up is never closed. On PostgreSQL a cancelled
        statement ends, and its connection with it.
        """
        if not self.database.is_sqlite:
            return await work
        task = asyncio.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._finish)
        return await asyncio.shield(task)

    def writing_alone(self) -> AbstractContextManager[None]:
        """Keep the log's writer from checkpointing while an engine writes beside it; see sqlite.checkpoint_excluded."""
        return checkpoint_excluded(self.database.sqlite_path) if self.database.is_sqlite else nullcontext()

    def _finish(self, task: "asyncio.Task[Any]") -> None:
        self._unfinished.discard(task)
        if not task.cancelled():
            task.exception()  # taken note of, since its caller may not have waited for it

    async def close(self) -> None:
        """Close all connections; the writing one last, since the last SQLite connection checkpoints the WAL."""
        if self._unfinished:
            await asyncio.wait(self._unfinished)
        if self.sqlite is not None:
            self.sqlite.readers.close()
        with suppress(TimeoutError):  # a PostgreSQL that is gone without a word answers no farewell
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.reading.dispose()
                await self.writing.dispose()
        if self.sqlite is not None:
            self.sqlite.writer.close()


def open_engines(where: Database) -> Engines:
    """Make the engines of a database; connections are opened as they are needed."""
    return _open_sqlite(where) if where.is_sqlite else _open_postgresql(where)


def _open_postgresql(where: Database) -> Engines:
    def engine(server_settings: dict[str, str], size: int, **options: Any) -> AsyncEngine:
        return create_async_engine(
            where.url,
            pool_size=size,
            max_overflow=0,
            pool_timeout=_POOL_TIMEOUT_SECONDS,
            hide_parameters=True,  # payloads stay out of errors, and so out of logs
            connect_args={"server_settings": server_settings, "timeout": _CONNECT_TIMEOUT_SECONDS},
            **options,
        )

    return Engines(
        where,
        writing=engine(_POSTGRESQL_WRITING, _WRITE_CONNECTIONS),
        # One statement a read: no transaction to open or to roll back.
        reading=engine(_POSTGRESQL_READING, _READ_CONNECTIONS, isolation_level="AUTOCOMMIT", pool_reset_on_return=None),
    )


def _open_sqlite(where: Database) -> Engines:
    def engine(size: int, setup: Callable[[sqlite3.Cursor], None]) -> AsyncEngine:
        made = create_async_engine(
            where.url,
            pool_size=size,
            max_overflow=0,
            pool_timeout=_POOL_TIMEOUT_SECONDS,
            pool_reset_on_return=None,
            hide_parameters=True,
        )

        @event.listens_for(made.sync_engine, "connect")
        def configure(connection: Any, _record: object) -> None:
            # The driver's own transaction handling begins lazily and deferred; SQLite then fails a write at once.
            connection.isolation_level = None
            cursor = connection.cursor()
            setup(cursor)
            cursor.close()

        return made

    writing = engine(1, _set_up_sqlite_writing)

    @event.listens_for(writing.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    reading = engine(_READ_CONNECTIONS, _set_up_sqlite_reading)
    return Engines(where, writing, reading, SqliteConnections(where.sqlite_path))


def _set_up_sqlite_writing(cursor: sqlite3.Cursor) -> None:
    cursor.execute("PRAGMA busy_timeout = 3000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    # See SqliteCheckpointer.
    cursor.execute("PRAGMA wal_autocheckpoint = 0")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA cache_size = -65536")


def _set_up_sqlite_reading(cursor: sqlite3.Cursor) -> None:
    cursor.execute("PRAGMA busy_timeout = 3000")
    cursor.execute("PRAGMA query_only = ON")
    cursor.execute("PRAGMA wal_autocheckpoint = 0")
    cursor.execute("PRAGMA cache_size = -8192")
