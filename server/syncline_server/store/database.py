"""Which database a URL names: the one place where that is decided."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from syncline_server.store.copies import Copies
from syncline_server.store.engine import Connections, Engines
from syncline_server.store.postgresql.copies import PostgresqlCopies
from syncline_server.store.postgresql.dsn import Dsn
from syncline_server.store.postgresql.engine import PostgresqlEngines
from syncline_server.store.sqlite.copies import SqliteCopies
from syncline_server.store.sqlite.engine import SqliteEngines
from syncline_server.store.sqlite.file import file_in
from syncline_server.store.urls import DatabaseUrlInvalid

_GIVE = "give postgresql://… or sqlite:///path"


@dataclass(frozen=True, slots=True)
class Database:
    """Where the log is kept."""

    name: str
    """What it is called to people: its URL, without a password and without its parameters."""
    file: Path | None
    """Of an embedded database."""
    open_engines: Callable[[], Engines]
    """Return its engines; connections are opened as they are needed."""
    copies: Callable[[], Copies]

    def __str__(self) -> str:
        """Describe it without its password."""
        return self.name


def database(url: str | None, data_dir: Path, connections: Connections | None = None) -> Database:
    """Return the database that `url` names; None: the SQLite file in `data_dir`.

    Raises DatabaseUrlInvalid.
    """
    if url is None:
        return _sqlite(file_in(data_dir))
    scheme, found, rest = url.partition("://")
    match scheme.partition("+")[0]:
        case "postgresql" | "postgres" if found:
            dsn = Dsn(f"postgresql://{rest}")
            engines = partial(PostgresqlEngines, dsn, connections or Connections())
            return Database(str(dsn), None, engines, partial(PostgresqlCopies, dsn))
        case "sqlite" if found:
            return _sqlite(_path_of(url))
    raise DatabaseUrlInvalid(f"not a database URL; {_GIVE}")


def _sqlite(file: Path) -> Database:
    return Database(f"sqlite:///{file}", file, partial(SqliteEngines, file), partial(SqliteCopies, file))


def _path_of(url: str) -> Path:
    try:
        path = make_url(url).database
    except (ArgumentError, ValueError):  # the second, of a port that is no number
        raise DatabaseUrlInvalid(f"not a database URL; {_GIVE}") from None
    if not path or path == ":memory:":
        raise DatabaseUrlInvalid(_GIVE)
    return Path(path)
