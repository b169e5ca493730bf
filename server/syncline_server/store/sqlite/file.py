"""What is particular to SQLite: who may checkpoint its WAL, and that one server owns the file."""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)

_MAGIC: Final = b"SQLite format 3\0"
_CHECKPOINT_AFTER_COMMITS: Final = 128
_LARGE_WAL_BYTES: Final = 64 * 1024 * 1024


class DatabaseInUse(Exception):
    """Another server owns this SQLite file."""


class NoDatabaseFile(Exception):
    """A SQLite database cannot be at a path, or something else is there."""


def check_file(path: Path) -> None:
    """Make the folder of a SQLite file, and see that nothing else is in its place. Raises NoDatabaseFile."""
    try:
        # The file holds the secrets of all projects.
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("ab+") as file:
            file.seek(0)
            head = file.read(len(_MAGIC))
    except OSError as error:
        raise NoDatabaseFile(f"cannot keep a database at {path}: {error.strerror}") from None
    if head not in {b"", _MAGIC}:
        raise NoDatabaseFile(f"{path} is not a SQLite database")


def require_file(path: Path) -> None:
    """Raise NoDatabaseFile unless there is a file at `path`; makes none."""
    if not path.is_file():
        raise NoDatabaseFile(f"there is no database at {path.absolute()}")


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Own a SQLite file for the time of the block; raises DatabaseInUse when another process does."""
    with _locked(path.with_suffix(".owner"), fcntl.LOCK_EX | fcntl.LOCK_NB):
        yield


@contextmanager
def checkpoint_excluded(path: Path) -> Iterator[None]:
    """Keep the owner from checkpointing for the time of the block, in which another process writes.

    SQLite before 3.51.3 can corrupt a database in which one connection commits while another checkpoints (the
    WAL-reset bug), and long-lived Linux distributions ship older ones.
    """
    with _locked(path.with_suffix(".checkpoint"), fcntl.LOCK_EX):
        yield


class SqliteCheckpointer:
    """Moves the WAL into the database file, on the writing connection, while no other process writes."""

    def __init__(self, path: Path) -> None:
        """Watch the WAL of this database file."""
        self._path = path
        self._commits = 0

    def committed(self, connection: sqlite3.Connection) -> None:
        """Checkpoint when it is due; put off to the next commit while another process writes."""
        self._commits += 1
        if self._commits < _CHECKPOINT_AFTER_COMMITS:
            return
        try:
            with _locked(self._path.with_suffix(".checkpoint"), fcntl.LOCK_EX | fcntl.LOCK_NB):
                self._checkpoint(connection)
            self._commits = 0
        except DatabaseInUse:
            return
        except (sqlite3.Error, OSError):
            # What was committed is; a full disk, say, must not make the answer to it an error.
            _log.exception("the WAL could not be checkpointed")

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        # PASSIVE waits for nobody; readers that overlap without end keep the WAL from starting over, so once it is
        # large they are waited for.
        large = os.stat(f"{self._path}-wal").st_size > _LARGE_WAL_BYTES
        connection.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if large else 'PASSIVE'})").fetchall()


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, how)
        except BlockingIOError:
            raise DatabaseInUse(str(path)) from None
        yield
    finally:
        os.close(descriptor)
