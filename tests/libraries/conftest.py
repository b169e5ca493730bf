"""RxDB's apps in Node, on real servers, through wires that can be cut."""

import asyncio
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from bridge.bridged import bridge_on
from clients.typescript.building import node as node_program
from clients.typescript.conftest import Wire, wired
from clients.typescript.device import Device, Node
from harness import Server, settings_for, started_server
from libraries.installing import HERE, installed
from waiting import until

CLIENTS = ("handlers", "replicateServer")
"""The handlers of the client's page on RxDB 17, and rxdb-server's own client on RxDB 15."""
_LINE_BYTES = 64 * 1024 * 1024


async def start_node(module: str) -> Node:
    """Run Node with a module that runs what tests ask for."""
    command = (node_program(), str(installed() / "node_driver.mjs"), (HERE / module).as_uri())
    return Node(await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=_LINE_BYTES))


@dataclass
class RxdbApps:
    """Apps of one user, in one place, with one kind of client."""

    device: Device
    wire: Wire
    client: str
    opened: int = field(default=0)

    async def open(self, name: str, **options: Any) -> None:
        """Open an app on a device of its own; names are the test's, storage is each user's."""
        headers = options.pop("headers", None) or self.headers(options.pop("device", name))
        base = options.pop("base", f"http://{self.wire.proxy.address}")
        stored = f"{self.wire.user}-{self.client.lower()}-{options.pop('stored', name)}"
        given = {"client": self.client, "base": base, "headers": headers, "stored": stored, **options}
        await self.device.run("await open(name, given)", name=name, given=given)

    def headers(self, device: str, **token: Any) -> dict[str, str]:
        project = self.wire.server.project
        authorization = f"Bearer {self.wire.token(**token)}"
        return {"X-Api-Key": project.client_key, "Authorization": authorization, "X-Device-Id": device}

    async def run(self, code: str, **args: Any) -> Any:
        return await self.device.run(code, **args)

    async def until_shown(self, expected: dict[str, Any], *names: str) -> None:
        """Wait until apps show this, and the server has it."""
        await self.run("await untilShown(expected, ...names)", expected=expected, names=names)

        async def is_stored() -> bool:
            stored = await self.wire.stored()
            return {key.removeprefix("todo/"): without_id(one) for key, one in stored.items()} == expected

        await until(is_stored)


def without_id(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "id"}


@pytest.fixture(scope="session")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Server, str]]:
    """A server and the address of its bridge, for what does not depend on the database."""
    settings = settings_for(f"sqlite:///{tmp_path_factory.mktemp('rxdb') / 'syncline.db'}")
    async with started_server(settings) as server, bridge_on(server, cors_origins="*") as address:
        yield server, address


@pytest.fixture
async def wire(served: tuple[Server, str]) -> AsyncIterator[Wire]:
    async with wired(*served) as made:
        yield made


@pytest.fixture
async def wire_to_each(shared_server: Server) -> AsyncIterator[Wire]:
    """A wire to a server on each kind of database."""
    async with bridge_on(shared_server) as address, wired(shared_server, address) as made:
        yield made


@pytest.fixture(scope="session")
async def shared_node() -> AsyncIterator[Node]:
    running = await start_node("rxdb_apps.mjs")
    yield running
    await running.kill()


@pytest.fixture
async def node(shared_node: Node) -> AsyncIterator[Node]:
    """A process of Node without any app in it."""
    yield shared_node
    await shared_node.run("await reset()")


@pytest.fixture(params=CLIENTS)
def apps(request: pytest.FixtureRequest, node: Node, wire: Wire) -> RxdbApps:
    return RxdbApps(node, wire, request.param)


@pytest.fixture(params=CLIENTS)
def apps_on_each(request: pytest.FixtureRequest, node: Node, wire_to_each: Wire) -> RxdbApps:
    return RxdbApps(node, wire_to_each, request.param)
