"""A running bridge and its server, as tests of the dialects see them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from harness import Server
from syncline_bridge.app import serving
from syncline_bridge.dialect import Dialect
from syncline_bridge.dialects import DIALECTS
from syncline_bridge.settings import OwnSettings, knobs_of


@dataclass(frozen=True)
class Bridged:
    """A bridge, by an HTTP client of it, and the server behind it."""

    server: Server
    http: httpx2.AsyncClient


def settings_of(dialects: Sequence[Dialect[Any]]) -> type[OwnSettings]:
    """Return the class of all knobs of a bridge that speaks these dialects."""
    return type("Settings", (*knobs_of(dialects), OwnSettings), {})


def bridge_on(
    server: Server | str, *, dialects: Sequence[Dialect[Any]] = DIALECTS, **settings: Any
) -> AbstractAsyncContextManager[str]:
    """Run a bridge in front of a server or an address; yields its own."""
    target = server if isinstance(server, str) else server.address
    on_a_free_port = {"http_address": "127.0.0.1:0", "grpc_target": target, "log_level": "error"}
    return serving(settings_of(dialects)(**{**on_a_free_port, **settings}), dialects)


@asynccontextmanager
async def bridged_on(server: Server, **settings: Any) -> AsyncIterator[Bridged]:
    """Run a bridge in front of a server, with a client of it."""
    async with (
        bridge_on(server, **settings) as address,
        httpx2.AsyncClient(base_url=f"http://{address}", timeout=30) as http,
    ):
        yield Bridged(server, http)


@asynccontextmanager
async def client_of_bridge_on(target: str, **settings: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """Run a bridge in front of whatever is at an address, with a client of it."""
    async with bridge_on(target, **settings) as address, httpx2.AsyncClient(base_url=f"http://{address}") as http:
        yield http
