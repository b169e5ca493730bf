"""Copies of a SQLite file: of one moment beside a server that writes, and put back while none does."""

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from syncline_server.store.copies import Copies, CopyRefused, Report, check_backup, check_new, made
from syncline_server.store.sqlite.file import NoDatabaseFile, owned, require_file

_LOOK_SECONDS: Final = 0.2
_BLOCK_BYTES: Final = 4 * 1024 * 1024
_TABLES: Final = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('entities', 'epochs', 'heads')"


class SqliteCopies(Copies):
    """See Copies."""

    def __init__(self, file: Path) -> None:
        self._path = file.resolve()

    def back_up(self, into: Path, report: Report) -> None:
        """Copy as one read transaction: a copy in steps begins anew at each commit, and so never ends under load."""
        check_new(into)
        require_file(self._path)
        unfinished = into.with_name(f"{into.name}.part")
        with made(unfinished):
            try:
                _copy_database(self._path, unfinished, report)
            except sqlite3.Error as error:
                raise CopyRefused(f"the copy failed: {error}") from error
            _check_whole(unfinished)
            _put(unfinished, into)

    def restore(self, backup: Path, report: Report) -> str:
        """Put a copy in place; the database that was there is kept beside it, with the WAL that belongs to it."""
        check_backup(backup)
        wal = Path(f"{backup}-wal")
        if wal.exists() and wal.stat().st_size > 0:
            raise CopyRefused(f"{backup} is a database in use: its WAL lies beside it; `syncline backup` copies both")
        _check_whole(backup)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with owned(self._path):
            unfinished = self._path.with_name(f"{self._path.name}.part")
            with made(unfinished):
                _check_room(self._path.parent, backup.stat().st_size)
                _copy(backup, unfinished, report)
                kept = self._set_aside()
                _put(unfinished, self._path)
        return f"The database that was there is {kept}; delete it when all is well." if kept else ""

    def _set_aside(self) -> Path | None:
        """Rename the database, its WAL first: alone it would be played into the copy that comes in its place."""
        if not self._path.exists():
            return None
        kept = self._path.with_name(f"{self._path.name}.before-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
        if kept.exists():
            raise CopyRefused(f"{kept} is there already: try again in a second")
        for suffix in ("-wal", ""):
            part = Path(f"{self._path}{suffix}")
            if part.exists():
                part.rename(f"{kept}{suffix}")
        Path(f"{self._path}-shm").unlink(missing_ok=True)
        return kept


def _copy_database(path: Path, copy: Path, report: Report) -> None:
    with closing(_reading(path)) as source:
        size = _size(source)
        _check_room(copy.parent, size)
        with closing(sqlite3.connect(copy)) as target, _reported(copy, size, report):
            source.backup(target, pages=-1)
            # One file, without a WAL beside it; the server that gets it goes back to one.
            target.execute("PRAGMA journal_mode = DELETE")


def _reading(path: Path) -> sqlite3.Connection:
    """Open a database without ever writing its WAL into it, which is the server's business."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _size(connection: sqlite3.Connection) -> int:
    return int(
        connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0]
    )


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise CopyRefused(f"the copy needs {_mib(size)} MiB, and {_mib(free)} MiB are free in {folder}")


def _mib(size: int) -> int:
    return -(-size >> 20)


def _check_whole(path: Path) -> None:
    """Raise CopyRefused unless a file is a whole database of ours."""
    try:
        require_file(path)
        # Nobody writes to it, so that it needs no lock, and no WAL is made beside it.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            ((found,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
            ((tables,),) = connection.execute(_TABLES).fetchall()
    except (NoDatabaseFile, sqlite3.DatabaseError) as error:
        raise CopyRefused(f"{path} is no whole database: {error}") from error
    if found != "ok":
        raise CopyRefused(f"{path} is no whole database: {str(found).splitlines()[-1]}")
    if not tables:
        raise CopyRefused(f"{path} is no database of Syncline")


def _copy(source: Path, target: Path, report: Report) -> None:
    size, done = source.stat().st_size, 0
    with source.open("rb") as reading, target.open("wb") as writing:
        while block := reading.read(_BLOCK_BYTES):
            writing.write(block)
            done += len(block)
            report(done, size)


def _put(unfinished: Path, path: Path) -> None:
    """Give a file its name once it is on the disk."""
    for place in (unfinished, unfinished.parent):
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if place == unfinished:
            unfinished.rename(path)


@contextmanager
def _reported(target: Path, size: int, report: Report) -> Iterator[None]:
    """Report how large a file has become, from a thread of its own: SQLite copies in one call."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_LOOK_SECONDS):
            report(min(target.stat().st_size, size), size)

    looking = threading.Thread(target=look, name="progress", daemon=True)
    looking.start()
    try:
        yield
    finally:
        ended.set()
        looking.join()
    report(size, size)
