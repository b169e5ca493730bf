"""How a database is opened to be looked at: none is made where there is none, and a file needs no SQLAlchemy."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from syncline_server.store.catalogue import Catalogue
from syncline_server.store.sqlite.catalogue import opened_file
from syncline_server.store.sqlite.file import file_in

if TYPE_CHECKING:
    from syncline_server.store.engine import Engines

_PLAIN: Final = "sqlite:///"


@asynccontextmanager
async def opened_catalogue(url: str | None, data_dir: Path) -> AsyncIterator[Catalogue]:
    """Open the catalogue of the database that `url` names, or None, the one in `data_dir`, for the time of the block.

    Raises DatabaseUrlInvalid, NoDatabaseFile, SchemaNotCurrent and StoreUnavailable.
    """
    path = file_in(data_dir) if url is None else _plain_path(url)
    if path is not None:
        with opened_file(path) as of_file:
            yield of_file
        return
    # SQLAlchemy takes longer to load than all else that such a command does.
    from syncline_server.store.database import database
    from syncline_server.store.opening import existing_engines

    async with existing_engines(database(url, data_dir)) as engines:
        yield EngineCatalogue(engines)


class EngineCatalogue:
    """The catalogue of a database that is open: in a server, say."""

    def __init__(self, engines: "Engines") -> None:
        self._engines = engines

    async def rows(self, statement: str, *parameters: object) -> Sequence[Mapping[str, Any]]:
        """Return what a SELECT finds. Raises StoreUnavailable."""
        from syncline_server.store.errors import translated

        with translated():
            return await self._engines.finished(self._fetch(statement, parameters))

    async def _fetch(self, statement: str, parameters: tuple[object, ...]) -> Sequence[Mapping[str, Any]]:
        async with self._engines.reading.connect() as connection:
            return [row._mapping for row in await self._engines.execute(connection, statement, parameters)]


def _plain_path(url: str) -> Path | None:
    """Return the file of a plain SQLite URL; None: the URL names something else, or needs a closer look."""
    path = url.removeprefix(_PLAIN)
    return Path(path) if path not in {url, "", ":memory:"} and "?" not in path else None
