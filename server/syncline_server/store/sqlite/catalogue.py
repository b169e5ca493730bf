"""What is looked up in a SQLite file, by the standard library alone and without a way to write."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from syncline_server.store.sqlite.file import require_file
from syncline_server.store.sqlite.pragmas import READING, set_up
from syncline_server.store.sqlite.sql import numbered
from syncline_server.store.wanted_schema import require_current
from syncline_server.sync.errors import StoreUnavailable

_HAS_SCHEMA: Final = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'alembic_version'"
_SCHEMA: Final = "SELECT version_num FROM alembic_version"


class FileCatalogue:
    """See Catalogue. Its look-ups are small, and run where they are asked for."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def rows(self, statement: str, *parameters: object) -> Sequence[Mapping[str, Any]]:
        """Return what a SELECT finds. Raises StoreUnavailable."""
        with _unavailable():
            return [dict(row) for row in self._connection.execute(numbered(statement), parameters)]


@contextmanager
def opened_file(path: Path) -> Iterator[FileCatalogue]:
    """Open the catalogue of a file for the time of the block.

    Raises NoDatabaseFile, SchemaNotCurrent and StoreUnavailable.
    """
    require_file(path)
    with _unavailable():
        opened = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
    with closing(opened) as connection:
        connection.row_factory = sqlite3.Row
        with _unavailable():
            set_up(connection, READING)
            require_current(_schema_of(connection))
        yield FileCatalogue(connection)


def _schema_of(connection: sqlite3.Connection) -> str | None:
    if connection.execute(_HAS_SCHEMA).fetchone() is None:
        return None
    ((schema,),) = connection.execute(_SCHEMA).fetchall()
    return str(schema)


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreUnavailable from error
