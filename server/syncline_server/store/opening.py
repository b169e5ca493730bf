"""How a database is opened: to be served or written, or only to be read where there is one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from syncline_server.store import schema
from syncline_server.store.database import Database
from syncline_server.store.engine import Engines
from syncline_server.store.wanted_schema import SchemaNotCurrent


@asynccontextmanager
async def opened_engines(where: Database) -> AsyncIterator[Engines]:
    """Open a database for the time of the block; an embedded one is made where there is none.

    Raises NoDatabaseFile when an embedded database cannot be where it is to be.
    """
    engines = where.open_engines()
    try:
        await asyncio.to_thread(engines.make_place)
        yield engines
    finally:
        await engines.close()


@asynccontextmanager
async def existing_engines(where: Database) -> AsyncIterator[Engines]:
    """Open a database that is there and current, for the time of the block, and change nothing about it.

    Raises NoDatabaseFile, SchemaNotCurrent and StoreUnavailable.
    """
    engines = where.open_engines()
    try:
        await asyncio.to_thread(engines.require_place)
        await schema.check_current(engines)
        yield engines
    finally:
        await engines.close()


@asynccontextmanager
async def current_engines(where: Database) -> AsyncIterator[Engines]:
    """Open a database for the time of the block; an embedded one is made or migrated where it has to be.

    Raises NoDatabaseFile, SchemaNotCurrent and StoreUnavailable.
    """
    async with opened_engines(where) as engines:
        await prepare_schema(engines)
        yield engines


async def prepare_schema(engines: Engines) -> None:
    """Migrate an embedded database that is behind; refuse any other. Raises SchemaNotCurrent."""
    try:
        await schema.check_current(engines)
    except SchemaNotCurrent as error:
        if engines.is_shared or error.newer:
            raise
        async with engines.writing_alone():
            await schema.migrate(engines)
