"""Who may move the WAL of a SQLite database into its file, and when."""

import asyncio
import fcntl
import logging
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from syncline_server.store.sqlite.file import DatabaseInUse, DatabaseReplaced, OwnedFile, locked
from syncline_server.store.sqlite.pragmas import WAL_BYTES

_LARGE_WAL_BYTES: Final = 64 * 1024 * 1024
_ASK_AGAIN_SECONDS: Final = 0.01
_READERS_MS: Final = 200
"""Readers are waited for so long, where the WAL has become large."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def checkpoint_excluded(path: Path) -> AsyncIterator[None]:
    """Keep the owner from checkpointing for the time of the block, in which somebody writes on another connection.

    Others who ask for it are waited for, without the event loop: one of them may need it to go on.

    SQLite before 3.51.3 can corrupt a database in which one connection commits while another checkpoints (the
    WAL-reset bug), and long-lived Linux distributions ship older ones.
    """
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(_lock_file(path), fcntl.LOCK_EX | fcntl.LOCK_NB))
                break
            except DatabaseInUse:
                await asyncio.sleep(_ASK_AGAIN_SECONDS)
        yield


class SqliteCheckpointer:
    """Moves the WAL into the database file, on the writing connection, while no other process writes."""

    def __init__(self, file: OwnedFile) -> None:
        """Watch the WAL of this database file."""
        self._file = file
        self._due_bytes = WAL_BYTES
        self._last_bytes = 0

    def committed(self, connection: sqlite3.Connection) -> None:
        """Checkpoint when it is due; put off to the next commit while another process writes.

        What counts are bytes, not commits: a commit is between a page and megabytes. The WAL is as long as it is full
        once it is longer than WAL_BYTES, since SQLite cuts it to that when it starts over.
        """
        try:
            size, last = self._wal_bytes(), self._last_bytes
            self._last_bytes = size
            if size < last:
                self._due_bytes = WAL_BYTES
            if size < self._due_bytes:
                return
            with locked(_lock_file(self._file.path), fcntl.LOCK_EX | fcntl.LOCK_NB):
                self._checkpoint(connection, size)
        except (DatabaseInUse, DatabaseReplaced):
            return  # the next transaction says so
        except (sqlite3.Error, OSError):
            # What was committed is; a full disk, say, must not make the answer to it an error.
            _log.exception("the WAL could not be checkpointed")

    def _checkpoint(self, connection: sqlite3.Connection, size: int) -> None:
        self._file.check()
        if size <= _LARGE_WAL_BYTES:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        else:
            # PASSIVE waits for nobody, and readers that overlap without end keep the WAL from starting over.
            connection.execute(f"PRAGMA busy_timeout = {_READERS_MS}")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.execute("PRAGMA busy_timeout = 0")
        self._due_bytes = self._wal_bytes() + WAL_BYTES

    def _wal_bytes(self) -> int:
        return os.stat(f"{self._file.path}-wal").st_size


def _lock_file(path: Path) -> Path:
    return path.with_suffix(".checkpoint")
