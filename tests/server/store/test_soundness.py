"""A database that was not closed well is looked through before anything is done to it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from syncline_server.store.sqlite.soundness import DatabaseDamaged, check_sound

INDEX = "ix_rows_revision"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with a WAL that was left behind."""
    path = tmp_path / "database.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE rows (key TEXT PRIMARY KEY, revision INTEGER)")
        connection.execute(f"CREATE UNIQUE INDEX {INDEX} ON rows (revision)")
        connection.executemany("INSERT INTO rows VALUES (?, ?)", [(f"key {at}", at) for at in range(2000)])
        connection.commit()
    return path


def leave_wal(file: Path, *statements: str) -> None:
    """Leave a WAL with what these statements do, as a crash leaves it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA wal_autocheckpoint = 0", *statements):
            connection.execute(statement)
        left = Path(f"{file}-wal").read_bytes(), file.read_bytes()
    Path(f"{file}-wal").write_bytes(left[0])
    file.write_bytes(left[1])


def test_what_a_crash_left_is_sound_and_stays_as_it_is(file: Path):
    leave_wal(file, "INSERT INTO rows VALUES ('c', 3000)")
    before = file.read_bytes(), Path(f"{file}-wal").read_bytes()
    check_sound(file)
    assert (file.read_bytes(), Path(f"{file}-wal").read_bytes()) == before
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM rows").fetchall() == [(2001,)]


def test_an_index_that_lacks_a_row_is_damage(file: Path):
    # An index over fewer rows under the definition of one over all, as a page from before would leave it.
    narrowed = f"UPDATE sqlite_master SET sql = sql || ' WHERE revision < 2' WHERE name = '{INDEX}'"
    widened = f"UPDATE sqlite_master SET sql = replace(sql, ' WHERE revision < 2', '') WHERE name = '{INDEX}'"
    leave_wal(file, "PRAGMA writable_schema = ON", narrowed, "PRAGMA writable_schema = RESET")
    leave_wal(file, f"REINDEX {INDEX}", "PRAGMA writable_schema = ON", widened)
    with pytest.raises(DatabaseDamaged, match=INDEX):
        check_sound(file)


def test_a_page_that_is_none_is_damage(file: Path):
    leave_wal(file, "INSERT INTO rows VALUES ('c', 3000)")
    pages = file.read_bytes()
    half = len(pages) // 2 // 4096 * 4096
    file.write_bytes(pages[:half] + b"\xff" * 4096 + pages[half + 4096 :])
    with pytest.raises(DatabaseDamaged, match=r"database\.db-wal"):
        check_sound(file)
