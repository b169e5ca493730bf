"""Whether a database is sound that was not closed well: whether its file and its WAL belong together.

SQLite plays any WAL that it finds back into the file it lies beside. After a crash that is right. Where a copy was put
in the file's place it makes one database of two, and nothing tells but what is in it.
"""

import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from syncline_server.store.sqlite.file import NoDatabaseFile

_INDEXES: Final = """
    SELECT tables.name, indexes.name FROM sqlite_master AS tables
    JOIN sqlite_master AS indexes ON indexes.type = 'index' AND indexes.tbl_name = tables.name
    WHERE tables.type = 'table' AND tables.sql NOT LIKE '%WITHOUT ROWID%'
        AND coalesce(indexes.sql, '') NOT LIKE '% WHERE %'"""
_OF_ACCESS: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY}

_log = logging.getLogger(__name__)


class DatabaseDamaged(NoDatabaseFile):
    """What is in a SQLite file and its WAL is no whole database."""

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(
            f"the database {path} is damaged ({found}), and was left as it is: if a copy was put there, put it there "
            f"again and remove {path.name}-wal and {path.name}-shm, which belong to the database before; if not, "
            "restore a backup"
        )


def check_sound(path: Path) -> None:
    """Look through a database whose WAL was left behind, and change nothing. Raises DatabaseDamaged.

    Nobody else may have the file open. It takes some seconds a gigabyte.
    """
    wal = Path(f"{path}-wal")
    if not (wal.is_file() and wal.stat().st_size > 0):
        return
    started = time.monotonic()
    found = _damage(path)
    if found:
        raise DatabaseDamaged(path, found)
    _log.warning("the database was not closed well, and is sound; looked at in %.1f s", time.monotonic() - started)


def _damage(path: Path) -> str:
    """Return what is wrong; a connection that only reads leaves the WAL alone, also when it is closed."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            ((said,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
            return str(said).splitlines()[-1] if said != "ok" else _incomplete_index(connection)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in _OF_ACCESS:
            raise NoDatabaseFile(f"cannot look through {path}, which was not closed well: {error}") from None
        return str(error)


def _incomplete_index(connection: sqlite3.Connection) -> str:
    """Return the index that has more or fewer rows than its table: quick_check does not count them."""
    for table, index in connection.execute(_INDEXES).fetchall():
        counts = (f'(SELECT count(*) FROM "{table}" {how})' for how in ("NOT INDEXED", f'INDEXED BY "{index}"'))  # noqa: S608  # names of our own schema
        ((equal,),) = connection.execute(f"SELECT {' = '.join(counts)}").fetchall()
        if not equal:
            return f"{index} lacks rows"
    return ""
