"""Apps on real servers, through wires that can be cut."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from bridge.bridged import bridge_on
from clients.typescript.device import CHROMIUM, Browser, Device, Node, opened_browser, start_node
from faults.proxy import Proxy
from harness import Client, Server, settings_for, started_server


@dataclass(frozen=True)
class Wire:
    """A server behind a wire that can be cut, for one user."""

    server: Server
    proxy: Proxy
    user: str

    def options(self, **more: Any) -> dict[str, Any]:
        """Return what an app of the user is opened with."""
        project = self.server.project
        return {"url": f"http://{self.proxy.address}", "key": project.client_key, "token": self.token(), **more}

    def token(self, **options: Any) -> str:
        return self.server.project.token(self.user, **options)

    def client(self) -> Client:
        """Return a native client of the same user, to look at what is there."""
        return self.server.client(self.user)

    async def stored(self) -> dict[str, Any]:
        """Return all entities that the server has, by type and id."""
        async with self.client() as client:
            changes = await client.pull_all()
        return {f"{one.entity_type}/{one.entity_id}": json.loads(one.data) for one in changes if one.action != 3}


@pytest.fixture(scope="session")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Server, str]]:
    """A server and the address of its bridge; what runs here does not see which database it is on."""
    settings = settings_for(f"sqlite:///{tmp_path_factory.mktemp('apps') / 'syncline.db'}")
    async with started_server(settings) as server, bridge_on(server, cors_origins="*") as address:
        yield server, address


@pytest.fixture
async def wire(served: tuple[Server, str]) -> AsyncIterator[Wire]:
    async with wired(*served) as made:
        yield made


@pytest.fixture
async def wire_to_each(shared_server: Server) -> AsyncIterator[Wire]:
    """A wire to a server on each kind of database."""
    async with bridge_on(shared_server, cors_origins="*") as address, wired(shared_server, address) as made:
        yield made


@asynccontextmanager
async def wired(server: Server, address: str) -> AsyncIterator[Wire]:
    async with Proxy(address) as proxy:
        yield Wire(server, proxy, f"user-{uuid.uuid4().hex[:12]}")


@pytest.fixture(scope="session")
async def shared_node() -> AsyncIterator[Node]:
    running = await start_node()
    yield running
    await running.kill()


@pytest.fixture
async def node(shared_node: Node) -> AsyncIterator[Node]:
    """A process of Node without any app in it."""
    yield shared_node
    await shared_node.run("await reset()")


@pytest.fixture(scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian package: chromium)")
    async with opened_browser(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(params=["node", "browser"])
def place(request: pytest.FixtureRequest) -> Node | Browser:
    found: Node | Browser = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def device(place: Node | Browser) -> Device:
    """Where the same apps run: Node, and a page."""
    return await (await place.profile()).page() if isinstance(place, Browser) else place
