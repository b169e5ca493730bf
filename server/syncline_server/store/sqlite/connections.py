"""The connections of the log in SQLite: one that writes, and those that read.

Statements run on the event loop's own thread while they are small, since a change of threads costs more than they do,
and a thread that steps through rows beside a busy loop waits for the interpreter's lock at each of them. What may take
long leaves the loop: a commit, large writes, and reads that turn out to be long (docs/decisions, sqlite threads).
"""

import asyncio
import math
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, TypeVar

from syncline_server.store.errors import ConnectionLost
from syncline_server.store.sqlite.checkpoints import SqliteCheckpointer
from syncline_server.store.sqlite.file import OwnedFile
from syncline_server.store.sqlite.pragmas import READING, WRITING_ON_THE_LOOP, set_up

_READING_THREADS: Final = 4
_SMALL_ITEMS: Final = 128
"""Rows to look up or to write on the loop: about 2 ms at most."""
SMALL_BYTES: Final = 256 * 1024
"""Data to read or to write on the loop: however few the rows are that hold it."""
MANY_ITEMS: Final = _SMALL_ITEMS + 1
"""More than is done on the loop."""
_STEPS: Final = 5_000
_SMALL_STEPS: Final = 10
"""A read on the loop takes so many times 5,000 virtual machine instructions at most: about 2 ms; a page of 1,000 takes
two thirds of them."""
_BUSY_SECONDS: Final = 1.0
"""Another process that writes is waited for so long: what comes meanwhile waits, too, and its senders may try again."""
_BUSY_PAUSE_SECONDS: Final = 0.005
_TURN_SECONDS: Final = 10

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class SqliteWriter:
    """The connection that writes; transactions take turns on it, and those that wait together are committed together.

    Each is a savepoint in one transaction of SQLite: a commit costs the same for one project and for a hundred.
    """

    def __init__(self, file: OwnedFile) -> None:
        """Write to this database file; the connection is opened when it is needed."""
        self._file = file
        self._checkpointer = SqliteCheckpointer(file)
        self._connection: sqlite3.Connection | None = None
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-write")
        self._outcome: asyncio.Future[None] | None = None
        """Of the transaction of SQLite that has begun; None: none has."""
        self._committing: asyncio.Task[None] | None = None
        self._refused: tuple[float, Exception | None] = (-math.inf, None)
        """When a try to begin failed last, and why."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Write for the time of the block; commits after it, rolls back on an error.

        Raises sqlite3.Error, TimeoutError, and DatabaseReplaced where the file is no longer the one that was opened.
        """
        since = asyncio.get_running_loop().time()
        async with asyncio.timeout(_TURN_SECONDS):
            await self._turn.acquire()
        try:
            outcome = self._outcome or await self._begin_for_all(since)
            with self._savepoint():
                yield
        finally:
            self._turn.release()
        await asyncio.shield(outcome)

    async def run(self, work: Work[T], items: int, size_bytes: int = 0) -> T:
        """Do work of the transaction that looks up or writes so many rows, with data of so many bytes."""
        if items <= _SMALL_ITEMS and size_bytes <= SMALL_BYTES:
            return work(self._opened())
        return await _finished(self._thread, lambda: work(self._opened()))

    def close(self) -> None:
        """Close the connection; as the last one of the database, it checkpoints the WAL."""
        self._thread.shutdown()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._file.set_wal_aside()

    async def _begin_for_all(self, since: float) -> "asyncio.Future[None]":
        """Begin; who waits when a try fails fails with it: one after the other, they would wait ever longer."""
        failed_at, error = self._refused
        if error is not None and since <= failed_at:
            raise error
        loop = asyncio.get_running_loop()
        try:
            await self._begin()
        except Exception as refused:
            self._refused = loop.time(), refused
            self._abandon(refused)
            raise
        outcome = self._outcome = loop.create_future()
        self._committing = asyncio.create_task(self._commit_for_all(outcome), name="sqlite-commit")
        return outcome

    async def _commit_for_all(self, outcome: "asyncio.Future[None]") -> None:
        """Commit behind those who wait for their turn by now: they take part."""
        async with self._turn:
            if self._outcome is not outcome:
                return
            try:
                await _finished(self._thread, self._commit)
            except Exception as error:
                self._abandon(error)
                return
            except BaseException as error:
                self._abandon(error)
                raise
            self._outcome = None
            outcome.set_result(None)

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        """Undo what the block has written on an error, and nothing else; all of it where the database has failed."""
        connection = self._opened()
        try:
            connection.execute("SAVEPOINT part")
            yield
            connection.execute("RELEASE part")
        except BaseException as error:
            self._undo(connection, error)
            raise

    def _undo(self, connection: sqlite3.Connection, error: BaseException) -> None:
        if _is_of_the_database(error) or not connection.in_transaction:
            self._abandon(error)
            return
        try:
            connection.execute("ROLLBACK TO part")
            connection.execute("RELEASE part")
        except sqlite3.Error as failed:
            self._abandon(failed)

    async def _begin(self) -> None:
        """Begin; other processes that write are waited for, without the loop."""
        self._file.check()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _BUSY_SECONDS
        while True:
            try:
                self._opened().execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or loop.time() > deadline:
                    raise
                await asyncio.sleep(_BUSY_PAUSE_SECONDS)
            else:
                return

    def _commit(self) -> None:
        connection = self._opened()
        self._file.check()
        connection.execute("COMMIT")
        self._checkpointer.committed(connection)

    def _abandon(self, error: BaseException) -> None:
        """Roll back for all who take part, and tell them."""
        outcome, self._outcome = self._outcome, None
        if outcome is not None:
            outcome.set_exception(error if isinstance(error, Exception) else ConnectionLost())
            outcome.exception()  # retrieved, or asyncio would log it where nobody has come so far as to wait
        connection = self._connection
        if connection is None:
            return
        if isinstance(error, sqlite3.Error):
            # After a failed fsync the connection's idea of the file cannot be trusted.
            self._connection = None
            connection.close()
        elif connection.in_transaction:
            connection.execute("ROLLBACK")

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._file.remember()
            self._connection = _open(self._file.path, WRITING_ON_THE_LOOP)
        return self._connection


class SqliteReaders:
    """The connections that read."""

    def __init__(self, path: Path) -> None:
        """Read this database file; connections are opened as they are needed."""
        self._path = path
        self._quick: sqlite3.Connection | None = None
        self._steps = 0
        self._idle: list[sqlite3.Connection] = []
        self._threads = ThreadPoolExecutor(_READING_THREADS, thread_name_prefix="sqlite-read")

    async def run(self, work: Work[T], *, is_large: bool) -> T:
        """Read: on the loop's thread if that is done soon, else once more in another. Raises sqlite3.Error.

        What is known to bring many bytes is read in the other at once: it may take few steps.
        """
        if is_large:
            return await _finished(self._threads, lambda: self._read(work))
        if self._quick is None:
            self._quick = self._open()
            self._quick.set_progress_handler(self._is_long, _STEPS)
        # Counted by hand: SQLite's own count of a statement goes on from one use to the next.
        self._steps = 0
        try:
            return work(self._quick)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                self._quick.close()
                self._quick = None
                raise
        return await _finished(self._threads, lambda: self._read(work))

    def close(self) -> None:
        """Close the connections, after the reads that are under way."""
        self._threads.shutdown()
        for connection in (self._quick, *self._idle):
            if connection is not None:
                connection.close()
        self._quick = None
        self._idle.clear()

    def _is_long(self) -> bool:
        self._steps += 1
        return self._steps > _SMALL_STEPS

    def _read(self, work: Work[T]) -> T:
        connection = self._idle.pop() if self._idle else self._open()
        try:
            result = work(connection)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return result

    def _open(self) -> sqlite3.Connection:
        return _open(self._path, READING)


class SqliteConnections:
    """All of them."""

    def __init__(self, file: OwnedFile) -> None:
        """Use this database file."""
        self.writer = SqliteWriter(file)
        self.readers = SqliteReaders(file.path)


def _is_of_the_database(error: BaseException) -> bool:
    """Tell an error of the database from one of a value: after it, nothing of the connection can be trusted."""
    return isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.DataError | sqlite3.IntegrityError)


def _open(path: Path, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    # The module's own transaction handling begins lazily and deferred; SQLite then fails a write at once.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        set_up(connection, pragmas)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


async def _finished(threads: ThreadPoolExecutor, work: Callable[[], T], /) -> T:
    """Do work in a thread, to its end whatever becomes of the caller: its connection is not free before."""
    running: asyncio.Future[T] = asyncio.get_running_loop().run_in_executor(threads, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
