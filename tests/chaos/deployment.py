"""A whole deployment: server processes, a bridge, a database, and a proxy on each way between them."""

import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from faults.disk import FailingDisk, failing_disk
from faults.postgres import Cluster
from faults.proxy import Proxy
from harness import Project, make_project, opened_engines, settings_for
from ports import free_address
from syncline_server.store import schema
from system.processes import Commands, Process, commands_in
from waiting import accepts_connections, until

WRITERS = "writers–server"
READERS = "readers–server"
BRIDGE = "bridge–server"
HTTP = "clients–bridge"
DATABASE = "server–database"
_SERVERS_ON_POSTGRESQL = 2
_ATTEMPTS = 30


class Supervised:
    """A process that is started again when it has ended, as whatever runs it in earnest would."""

    def __init__(self, name: str, address: str, start: Callable[[], AbstractAsyncContextManager[Process]]) -> None:
        self.name = name
        self.address = address
        self.deaths: list[str] = []
        """Why it ended, where nobody had killed it."""
        self.logs: list[str] = []
        """What it logged in all its lives but the last."""
        self._start = start

    async def start(self) -> None:
        """Run it until it listens; it may give up while its database is away."""
        for _ in range(_ATTEMPTS):
            self._life = AsyncExitStack()
            self.process = await self._life.enter_async_context(self._start())
            if await self._listens():
                return
            await self.end()
        raise AssertionError(f"{self.name} does not start: {self.logs[-1][-2000:]}")

    async def end(self) -> None:
        """Kill it."""
        self.logs.append(self.process.err)
        await self._life.aclose()

    async def replace(self) -> None:
        """Kill it and start it again."""
        await self.end()
        await self.start()

    async def look_after(self) -> None:
        """Start it again if it has ended by itself, which is not forgotten."""
        if not self.process.running:
            self.deaths.append(f"{self.name} ended by itself: {self.process.err[-2000:]}")
            await self.replace()

    def stop(self) -> None:
        """Stop it where it is (SIGSTOP)."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    async def _listens(self) -> bool:
        async def listens_or_has_ended() -> bool:
            return not self.process.running or await accepts_connections(self.address)

        await until(listens_or_has_ended)
        return self.process.running


@dataclass
class Deployment:
    """What faults happen to."""

    project: Project
    servers: list[Supervised]
    proxies: Mapping[str, Proxy]
    """The proxy on each way, by the name of the way."""
    cluster: Cluster | None
    """None: on SQLite."""
    sqlite: Path
    disk: FailingDisk | None
    processes: dict[str, Supervised] = field(default_factory=dict)

    def lead_away_from(self, address: str) -> None:
        """Send connections to come to another server, where there is one, as a load balancer would."""
        others = [server.address for server in self.servers if server.address != address]
        for way in (WRITERS, READERS, BRIDGE):
            if others and self.proxies[way].target == address:
                self.proxies[way].target = others[0]

    def heal(self) -> None:
        for proxy in self.proxies.values():
            proxy.heal()


@asynccontextmanager
async def deployed(database: str, folder: Path) -> AsyncIterator[Deployment]:
    """Run everything on a new database: `sqlite` or `postgresql`."""
    commands = commands_in(folder)
    async with AsyncExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="syncline-chaos-")))
        base.chmod(0o755)
        disk = await failing_disk(base)
        failing = dict(disk.environment) if disk else {}
        cluster, sqlite = None, folder / "syncline.db"
        url = direct = f"sqlite:///{sqlite}"
        proxies: dict[str, Proxy] = {}
        if database == "postgresql":
            cluster = await stack.enter_async_context(Cluster(base, free_address(), failing))
            await cluster.fetch("CREATE DATABASE syncline")
            proxies[DATABASE] = await stack.enter_async_context(Proxy(cluster.address))
            direct, url = cluster.url("syncline"), cluster.url("syncline", proxies[DATABASE].address)
            failing = {}
        async with opened_engines(settings_for(direct)) as engines:
            await schema.migrate(engines)
        project = await make_project(settings_for(direct))
        servers = [
            _server(commands, f"server {number}", url, failing)
            for number in range(1 if cluster is None else _SERVERS_ON_POSTGRESQL)
        ]
        for way in (WRITERS, READERS, BRIDGE):
            proxies[way] = await stack.enter_async_context(Proxy(servers[0].address))
        bridge = _bridge(commands, proxies[BRIDGE].address)
        proxies[HTTP] = await stack.enter_async_context(Proxy(bridge.address))
        running = Deployment(project, servers, proxies, cluster, sqlite, disk)
        running.processes = {each.name: each for each in (*servers, bridge)}
        for process in running.processes.values():
            await process.start()
            stack.push_async_callback(process.end)
        yield running


def _server(commands: Commands, name: str, url: str, environment: Mapping[str, str]) -> Supervised:
    address = free_address()
    arguments = ("server", "--database", url, "--grpc-address", address)
    quiet = {"SYNCLINE_LOG_LEVEL": "warning", **environment}
    return Supervised(name, address, lambda: commands.running(*arguments, **quiet))


def _bridge(commands: Commands, target: str) -> Supervised:
    address = free_address()
    arguments = ("--http-address", address, "--grpc-target", target, "--log-level", "warning")
    return Supervised("bridge", address, lambda: commands.running("bridge", *arguments))
