"""Which database a URL names: the one place where that is decided."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from syncline_server.store.copies import Copies
from syncline_server.store.engine import Engines
from syncline_server.store.postgresql.copies import PostgresqlCopies
from syncline_server.store.postgresql.engine import PostgresqlEngines
from syncline_server.store.sqlite.copies import SqliteCopies
from syncline_server.store.sqlite.engine import SqliteEngines
from syncline_server.store.sqlite.file import file_in
from syncline_server.store.urls import shown


class DatabaseUrlInvalid(ValueError):
    """A database URL is not one of a database that is spoken here."""


@dataclass(frozen=True, slots=True)
class Database:
    """Where the log is kept."""

    url: URL
    engines: Callable[[URL], Engines]
    copies: Callable[[URL], Copies]

    def open_engines(self) -> Engines:
        """Return its engines; connections are opened as they are needed."""
        return self.engines(self.url)

    def __str__(self) -> str:
        """Describe it without its password."""
        return shown(self.url)


def database(url: str | None, data_dir: Path) -> Database:
    """Return the database that `url` names; None: the SQLite file in `data_dir`.

    Raises DatabaseUrlInvalid.
    """
    parsed = URL.create("sqlite", database=str(file_in(data_dir))) if url is None else _parse(url)
    match parsed.get_backend_name():
        case "postgresql" | "postgres":
            return Database(parsed.set(drivername="postgresql"), PostgresqlEngines, PostgresqlCopies)
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return Database(parsed.set(drivername="sqlite"), SqliteEngines, SqliteCopies)
    raise DatabaseUrlInvalid("give postgresql://… or sqlite:///path")


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):  # the second, of a port that is no number
        raise DatabaseUrlInvalid("not a database URL; give postgresql://… or sqlite:///path") from None
