"""How a database is opened: to be served or written, or only to be read where there is one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from syncline_server.store import schema
from syncline_server.store.engine import Database, Engines, open_engines
from syncline_server.store.sqlite import file as sqlite


@asynccontextmanager
async def opened_engines(where: Database) -> AsyncIterator[Engines]:
    """Open a database for the time of the block; an embedded one is made where there is none.

    Raises NoDatabaseFile when an embedded database cannot be where it is to be.
    """
    if where.is_sqlite:
        sqlite.check_file(where.sqlite_path)
    engines = open_engines(where)
    try:
        yield engines
    finally:
        await engines.close()


@asynccontextmanager
async def existing_engines(where: Database) -> AsyncIterator[Engines]:
    """Open a database that is there and current, for the time of the block, and change nothing about it.

    Raises NoDatabaseFile, SchemaNotCurrent and StoreUnavailable.
    """
    if where.is_sqlite:
        sqlite.require_file(where.sqlite_path)
    async with opened_engines(where) as engines:
        await schema.check_current(engines)
        yield engines


async def prepare_schema(engines: Engines) -> None:
    """Migrate an embedded database that is behind; refuse any other. Raises SchemaNotCurrent."""
    try:
        await schema.check_current(engines)
    except schema.SchemaNotCurrent as error:
        if not engines.database.is_sqlite or error.newer:
            raise
        with engines.writing_alone():
            await schema.migrate(engines)
