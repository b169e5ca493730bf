"""Which servers are alive: what may not happen beside some of them asks here. Never exact: a row is up to 30 s old."""

import asyncio
import logging
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.store.tables import servers
from syncline_server.sync.errors import StoreUnavailable

_HEARTBEAT_SECONDS: Final = 10
_ALIVE_SECONDS: Final = 30
_FORGOTTEN_SECONDS: Final = 24 * 3600

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Server:
    """A server as others see it."""

    id: str
    """Random, one a process."""
    version: str
    schema: str
    """That it works with."""
    address: str
    started_at_us: int
    heard_at_us: int


async def alive(engines: Engines) -> list[Server]:
    """Return the servers that have been heard of lately, oldest first. Raises StoreUnavailable."""
    with translated():
        async with engines.reading.connect() as connection:
            return await _alive(engines, connection)


async def older_than(engines: Engines, connection: AsyncConnection, schema: str) -> tuple[str, ...]:
    """Return the addresses of live servers that work with a schema before this one."""
    return tuple(server.address for server in await _alive(engines, connection) if server.schema < schema)


async def keep_announcing(engines: Engines, version: str, schema: str, address: str) -> None:
    """Say that this server is alive, every few seconds, for ever; when it is cancelled, say that it is not."""
    this = {"id": secrets.token_hex(8), "version": version, "schema": schema, "address": address}
    try:
        while True:
            try:
                await _announce(engines, this)
            except StoreUnavailable:
                _log.warning("this server could not be announced; it is tried again")
            await asyncio.sleep(_HEARTBEAT_SECONDS)
    finally:
        with suppress(StoreUnavailable):
            await _withdraw(engines, this["id"])


async def _alive(engines: Engines, connection: AsyncConnection) -> list[Server]:
    since = await engines.clock_us(connection) - _ALIVE_SECONDS * 1_000_000
    heard = select(servers).where(servers.c.heard_at_us > since).order_by(servers.c.started_at_us)
    return [Server(**row._mapping) for row in await connection.execute(heard)]


async def _announce(engines: Engines, this: dict[str, str]) -> None:
    with translated():
        async with engines.writing.begin() as connection:
            now = await engines.clock_us(connection)
            heard = update(servers).where(servers.c.id == this["id"]).values(heard_at_us=now)
            if (await connection.execute(heard)).rowcount == 0:
                await connection.execute(insert(servers).values(**this, started_at_us=now, heard_at_us=now))
                forgotten = servers.c.heard_at_us < now - _FORGOTTEN_SECONDS * 1_000_000
                await connection.execute(delete(servers).where(forgotten))


async def _withdraw(engines: Engines, server_id: str) -> None:
    with translated():
        async with engines.writing.begin() as connection:
            await connection.execute(delete(servers).where(servers.c.id == server_id))
