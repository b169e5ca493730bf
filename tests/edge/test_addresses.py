"""Limits by address and log lines behind proxies: they are about the client, if the operator trusts the proxy."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from structlog.testing import capture_logs

from bridge.bridged import bridge_on
from edge import proxies
from harness import Client, Server, refused, settings_for, started_server
from syncline import refusals

PROXY = "127.0.0.1"
PROXIES = {"nginx": proxies.nginx, "haproxy": proxies.haproxy}
STRANGER = {"X-Api-Key": "sl_client_000000000000_" + "0" * 64, "Authorization": "Bearer x"}
FREE = 3
LONG_SECONDS = 60.0


@pytest.fixture(autouse=True)
def few_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "_FREE", FREE)


@asynccontextmanager
async def behind(name: str, folder: Path, url: str, **settings: Any) -> AsyncIterator[str]:
    """Run a proxy in front of a bridge in front of a server; yields the proxy's address."""
    run: Callable[[str, Path], AbstractAsyncContextManager[str]] = PROXIES[name]
    async with (
        started_server(settings_for(url)) as server,
        bridge_on(server, failure_delay_seconds=LONG_SECONDS, shutdown_grace_seconds=0, **settings) as bridge,
        run(bridge, folder) as proxied,
    ):
        yield proxied


async def status_from(address: str, proxied: str, **headers: str) -> int:
    transport = httpx2.AsyncHTTPTransport(local_address=address)
    async with httpx2.AsyncClient(transport=transport, timeout=20) as client:
        url = f"http://{proxied}/client/sync?entity_type=t"
        return (await client.get(url, headers={**STRANGER, **headers})).status_code


async def waits(answer: Awaitable[Any]) -> bool:
    """Tell whether an answer does not come at once."""
    try:
        await asyncio.wait_for(answer, 0.5)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("name", PROXIES)
async def test_one_client_of_a_trusted_proxy_waits_for_its_refusals_and_another_does_not(
    tmp_path: Path, sqlite_url: str, name: str
):
    async with behind(name, tmp_path, sqlite_url, trusted_proxies=(PROXY,)) as proxied:
        for number in range(FREE):
            assert await status_from("127.0.0.2", proxied, **{"X-Forwarded-For": f"203.0.113.{number}"}) == 401
        assert await waits(status_from("127.0.0.2", proxied, **{"X-Forwarded-For": "203.0.113.99"}))
        assert await status_from("127.0.0.3", proxied) == 401


async def test_what_a_client_says_of_itself_is_not_believed(tmp_path: Path, sqlite_url: str):
    async with behind("nginx", tmp_path, sqlite_url) as proxied:
        for number in range(FREE):
            assert await status_from("127.0.0.2", proxied, **{"X-Forwarded-For": f"203.0.113.{number}"}) == 401
        assert await waits(status_from("127.0.0.2", proxied, **{"X-Forwarded-For": "203.0.113.99"}))


@pytest.fixture
def log_of_everything() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("log_of_everything")
async def test_the_log_names_the_client_behind_a_trusted_proxy(tmp_path: Path, sqlite_url: str):
    with capture_logs() as lines:
        async with behind("nginx", tmp_path, sqlite_url, trusted_proxies=(PROXY,)) as proxied:
            await status_from("127.0.0.2", proxied, **{"X-Forwarded-For": "203.0.113.9"})
    assert {line["client"] for line in lines if line["event"] == "request"} == {"127.0.0.2"}


async def test_an_event_source_with_tickets_that_are_none_waits_too(sqlite_url: str):
    async with (
        started_server(settings_for(sqlite_url)) as server,
        bridge_on(server, failure_delay_seconds=LONG_SECONDS, shutdown_grace_seconds=0) as bridge,
        httpx2.AsyncClient(base_url=f"http://{bridge}", timeout=20) as client,
    ):
        stream = "/client/sync/stream?entity_type=t&ticket=none"
        for _ in range(FREE):
            assert "closed" in (await client.get(stream)).text
        assert await waits(client.get(stream))


async def refused_for(server: Server, address: str) -> None:
    """Make a call that is refused, and says that it is forwarded for an address."""
    metadata = {name.lower(): value for name, value in STRANGER.items()} | {"x-forwarded-for": address}
    async with Client(server.address, metadata) as client, asyncio.timeout(20):
        await refused(client.pull())


@pytest.mark.parametrize(("trusted", "is_believed"), [((PROXY,), True), ((), False)])
async def test_a_grpc_proxy_is_believed_if_it_is_trusted(sqlite_url: str, trusted: tuple[str, ...], is_believed: bool):
    settings = settings_for(sqlite_url, failure_delay_seconds=LONG_SECONDS, trusted_proxies=trusted)
    async with started_server(settings) as server:
        for _ in range(FREE):
            await refused_for(server, "203.0.113.7")
        assert await waits(refused_for(server, "203.0.113.7"))
        if is_believed:
            await refused_for(server, "203.0.113.8")
        else:
            assert await waits(refused_for(server, "203.0.113.8"))


async def test_a_bridge_elsewhere_that_is_trusted_does_not_wait_for_its_clients(sqlite_url: str):
    settings = settings_for(sqlite_url, failure_delay_seconds=LONG_SECONDS, trusted_proxies=(PROXY,))
    async with started_server(settings) as server, Client(server.address, {"x-api-key": "sl_x_y_z"}) as bridge:
        for _ in range(FREE + 1):
            async with asyncio.timeout(20):
                await refused(bridge.pull())
