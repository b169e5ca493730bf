"""The engines of a SQLite file, beside the log's own connections: they serve what is asked seldom (L6)."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from syncline_server.store import epochs
from syncline_server.store.clock import system_clock_us
from syncline_server.store.engine import POOL_TIMEOUT_SECONDS, Connections, Engines
from syncline_server.store.errors import translated
from syncline_server.store.sqlite import upgrade
from syncline_server.store.sqlite.checkpoints import checkpoint_excluded
from syncline_server.store.sqlite.connections import MANY_ITEMS, SqliteConnections
from syncline_server.store.sqlite.file import DatabaseInUse, OwnedFile, check_file, owned, require_file
from syncline_server.store.sqlite.pragmas import READING, WRITING, set_up
from syncline_server.store.sqlite.soundness import check_sound
from syncline_server.store.sqlite.sql import numbered
from syncline_server.store.sqlite.store import SqliteStore
from syncline_server.sync.layout import Layout
from syncline_server.sync.store import Store

_LOOK_SECONDS: Final = 1.0

T = TypeVar("T")


class SqliteEngines(Engines):
    """See Engines."""

    is_shared = False

    def __init__(self, file: Path) -> None:
        # The file itself, whatever links lead to it: its WAL and its locks lie beside it.
        self.path = file.resolve()
        url = URL.create("sqlite+aiosqlite", database=str(self.path))
        super().__init__(str(url), _writing(url), _engine(url, Connections().reading, READING))
        self.file = OwnedFile(self.path)
        self.log = SqliteConnections(self.file)
        self._is_owned = False
        self._unfinished: set[asyncio.Task[Any]] = set()

    def make_place(self) -> None:
        """Make the folder of the file, and see that it is sound and nothing else. Raises NoDatabaseFile."""
        check_file(self.path)
        self._check_sound()

    def require_place(self) -> None:
        """See that the file is there, and sound. Raises NoDatabaseFile."""
        require_file(self.path)
        self._check_sound()

    def _check_sound(self) -> None:
        """Look before the first connection does: the last one to be closed writes the WAL into the file."""
        with suppress(DatabaseInUse), owned(self.path):
            check_sound(self.path)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Own the file; see sqlite.file.owned."""
        with owned(self.path):
            self.file.remember()
            self._is_owned = True
            try:
                yield
            finally:
                self._is_owned = False

    async def stays(self) -> NoReturn:
        """Return never; see Engines.stays."""
        while True:
            self.file.check()
            await asyncio.sleep(_LOOK_SECONDS)

    def writing_alone(self) -> AbstractAsyncContextManager[None]:
        """Keep the log's writer from checkpointing; see sqlite.file.checkpoint_excluded."""
        return checkpoint_excluded(self.path)

    async def finished(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work to its end, whatever becomes of the caller.

        A connection that is cancelled while it is being set up is never closed.
        """
        task = asyncio.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._finish)
        return await asyncio.shield(task)

    def _finish(self, task: "asyncio.Task[Any]") -> None:
        self._unfinished.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved here, since the caller may not have waited for it

    async def execute(
        self, connection: AsyncConnection, statement: str, parameters: tuple[Any, ...] = ()
    ) -> Sequence[Any]:
        """Run a statement."""
        result = await connection.exec_driver_sql(numbered(statement), parameters)
        return result.all() if result.returns_rows else []

    async def write(self, statement: str, parameters: tuple[Any, ...]) -> int:
        """Run a statement on the log's own writing connection: no other has to be kept from committing beside it."""
        async with self.log.writer.transaction():
            return await self.log.writer.run(
                lambda connection: connection.execute(numbered(statement), parameters).rowcount, MANY_ITEMS
            )

    async def lock(self, connection: AsyncConnection, key: int) -> None:
        """Do nothing: one transaction writes at a time."""

    async def wait_without_limit(self, connection: AsyncConnection) -> None:
        """Do nothing: transactions have no limit."""

    async def upgrade(self, progress: Callable[[int, int], None] | None) -> None:
        """Run all phases at once, after a copy, by the process that owns the file. Raises DatabaseInUse."""
        with nullcontext() if self._is_owned else self.owned():
            await upgrade.run(self, self.path, progress)

    async def contract(self) -> None:
        """Do nothing: it has been done."""

    async def backfill(self) -> None:
        """Do nothing: it has been done."""

    async def clock_us(self, connection: AsyncConnection) -> int:
        """Return this machine's clock: SQLite has none of its own."""
        return system_clock_us()

    async def watch_epochs(self, clock_us: Callable[[], int] | None) -> None:
        """Begin the epoch of a start: the caller owns the file, and may have found another one than it left."""
        now_us = (clock_us or system_clock_us)()
        with translated():
            async with self.writing.begin() as connection:
                incarnation = f"start/{secrets.token_hex(8)}"
                await epochs.begin(partial(self.execute, connection), epochs.Cause.START, incarnation, now_us)

    def open_store(self, layout: Layout, clock_us: Callable[[], int] | None = None) -> Store:
        """Return the log."""
        return SqliteStore(self.log, layout, clock_us or system_clock_us)

    def notifications(self, **_told: Callable[..., None]) -> None:
        """Return None: one process owns the file."""

    async def close(self) -> None:
        """Close all connections; the writing one last, since the last one of the file checkpoints the WAL."""
        if self._unfinished:
            await asyncio.wait(self._unfinished)
        self.log.readers.close()
        await self.reading.dispose()
        await self.writing.dispose()
        self.log.writer.close()


def _writing(url: URL) -> AsyncEngine:
    made = _engine(url, 1, WRITING)

    @event.listens_for(made.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return made


def _engine(url: URL, size: int, pragmas: tuple[str, ...]) -> AsyncEngine:
    made = create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_reset_on_return=None,
        hide_parameters=True,  # payloads stay out of errors, and so out of logs
    )

    @event.listens_for(made.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The driver's own transaction handling begins lazily and deferred; SQLite then fails a write at once.
        connection.isolation_level = None
        cursor = connection.cursor()
        set_up(cursor, pragmas)
        cursor.close()

    return made
