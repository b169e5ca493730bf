"""Clients that share a proxy's connections to the bridge: no request of one changes the answer of another's."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from bridge.bridged import bridge_on
from edge import proxies
from harness import Server, make_project, settings_for, started_server

TRIES = int(os.environ.get("EDGE_TRIES", "60"))
SMUGGLED = b"GET /client/smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %s\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
HOSTILE = [
    *(OFFER % protocol + b"Content-Length: %d\r\n" % len(SMUGGLED) for protocol in (b"h2c", b"websocket", b"x")),
    b"Content-Length: %d\r\nExpect: 100-continue\r\n" % len(SMUGGLED),
    b"Content-Length: %d\r\n" % len(SMUGGLED),
]


@dataclass(frozen=True)
class Fronted:
    """A proxy in front of a bridge, and the server behind both."""

    address: str
    server: Server

    @property
    def credentials(self) -> dict[str, str]:
        project = self.server.project
        return {"X-Api-Key": project.client_key, "Authorization": f"Bearer {project.token()}"}


@pytest.fixture(params=["nginx", "nginx, buffering", "haproxy"])
async def fronted(request: pytest.FixtureRequest, tmp_path: Path, sqlite_url: str) -> AsyncIterator[Fronted]:
    settings = settings_for(sqlite_url)
    project = await make_project(settings)
    async with started_server(settings, project) as server, bridge_on(server) as bridge:
        run = proxies.haproxy if request.param == "haproxy" else proxies.nginx
        options = {"buffering": True} if "buffering" in request.param else {}
        async with run(bridge, tmp_path, **options) as proxied:
            yield Fronted(proxied, server)


async def test_no_request_of_one_client_changes_the_answer_of_anothers(fronted: Fronted) -> None:
    address, wrong = fronted.address, []
    async with httpx2.AsyncClient(base_url=f"http://{address}", headers=fronted.credentials) as good:
        for number in range(TRIES):
            await _send_hostile(address, HOSTILE[number % len(HOSTILE)], path=("healthz", "client/sync")[number % 2])
            answer = await good.get("/client/sync", params={"entity_type": "todo"})
            if answer.status_code != 200:
                wrong.append((number, answer.status_code, answer.text))
    assert not wrong


async def test_a_push_that_offers_another_protocol_is_served_through_a_proxy(fronted: Fronted) -> None:
    headers = {
        **fronted.credentials,
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAMAAABkAAQAAP__",
    }
    async with httpx2.AsyncClient(base_url=f"http://{fronted.address}", headers=headers) as client:
        for _ in range(3):
            assert (await client.post("/client/sync", json={"changes": []})).status_code == 200


async def _send_hostile(address: str, headers: bytes, path: str) -> None:
    """Send a request whose body is a request, head and body apart."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    with closing(writer), suppress(ConnectionError):  # the proxy may refuse it
        writer.write(b"POST /%s HTTP/1.1\r\nhost: x\r\n%s\r\n" % (path.encode(), headers))
        await writer.drain()
        writer.write(SMUGGLED)
        await writer.drain()
        await asyncio.wait_for(reader.read(1024), 10)
