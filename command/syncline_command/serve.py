"""How the processes of one machine live together: the gRPC server, and the bridge as its child."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, NoReturn

import structlog

from syncline_command.welcome import welcome
from syncline_server.app import RunningServer, running_server
from syncline_server.identity.session_tokens import issue_token
from syncline_server.settings import ServerSettings
from syncline_server.store.registry import NewProject

_BRIDGE_START_SECONDS: Final = 20
_BRIDGE_STOP_SECONDS: Final = 15
_FIRST_PROJECT: Final = "default"
_FIRST_USER: Final = "demo"
_FIRST_TOKEN_SECONDS: Final = 24 * 3600
_OBJECTS_BETWEEN_COLLECTIONS: Final = 10_000
"""By default 700: a few pushes."""

_log = structlog.get_logger()


class BridgeFailed(Exception):
    """The bridge did not start, or ended by itself."""


async def run_server(settings: ServerSettings) -> None:
    """Run the gRPC server until SIGTERM or SIGINT."""
    stop = stop_signal()
    if settings.exit_with_parent:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    async with running_server(settings) as server:
        _calm_collector()
        await _until(stop, server.ended)


async def run_all(settings: ServerSettings) -> None:
    """Run the gRPC server and the bridge until SIGTERM or SIGINT, or until the bridge fails."""
    stop = stop_signal()
    async with running_server(settings) as server:
        _calm_collector()
        if settings.no_http:
            await _welcome(settings, server)
            await _until(stop, server.ended)
            return
        async with _bridge(settings, server) as bridge:
            await _welcome(settings, server)
            await _until(stop, server.ended, asyncio.ensure_future(_bridge_ends(bridge)))


def _calm_collector() -> None:
    """Let Python look for cycles less often, and not in what a server keeps to its end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])


def stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _welcome(settings: ServerSettings, server: RunningServer) -> None:
    """On an empty database, make the first project and say how to use it."""
    if await server.registry.projects():
        return
    made = await server.registry.create(_FIRST_PROJECT)
    print(welcome(settings, server.grpc_address, made, await _first_token(server, made)), flush=True)


async def _first_token(server: RunningServer, made: NewProject) -> str:
    project = await server.registry.find_project(made.name)
    assert project is not None
    return issue_token(project.session_secret, _FIRST_USER, ttl_seconds=_FIRST_TOKEN_SECONDS)


@asynccontextmanager
async def _bridge(settings: ServerSettings, server: RunningServer) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the bridge for the time of the block; it ends with this process, however that ends."""
    environment = {
        "SYNCLINE_GRPC_TARGET": _reachable(server.grpc_address),
        "SYNCLINE_HTTP_ADDRESS": settings.http_address,
        "SYNCLINE_LOG_LEVEL": settings.log_level,
        "SYNCLINE_LOG_FORMAT": settings.log_format,
        "SYNCLINE_EXIT_WITH_PARENT": "1",
    }
    bridge = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "syncline_bridge", env={**os.environ, **environment}
    )
    try:
        await _started(settings.http_address, bridge)
        yield bridge
    finally:
        await _ended(bridge)


async def _started(http_address: str, bridge: asyncio.subprocess.Process) -> None:
    """Wait until the bridge accepts connections. Raises BridgeFailed."""
    host, _, port = _reachable(http_address).rpartition(":")
    try:
        async with asyncio.timeout(_BRIDGE_START_SECONDS):
            while bridge.returncode is None:
                try:
                    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    await writer.wait_closed()
                    if bridge.returncode is None:
                        return
    except TimeoutError:
        pass
    raise BridgeFailed(f"the HTTP bridge did not start on {http_address}")


async def _ended(bridge: asyncio.subprocess.Process) -> None:
    """End the bridge: politely, then not."""
    if bridge.returncode is not None:
        return
    bridge.terminate()
    try:
        async with asyncio.timeout(_BRIDGE_STOP_SECONDS):
            await bridge.wait()
    except TimeoutError:
        _log.warning("the HTTP bridge did not end in time", seconds=_BRIDGE_STOP_SECONDS)
        bridge.kill()
        await bridge.wait()


async def _until(stop: asyncio.Event, *failing: "asyncio.Future[NoReturn]") -> None:
    """Wait for the stop signal. Raises what ends one of the others before."""
    stopped = asyncio.create_task(stop.wait())
    waiting: list[asyncio.Future[Any]] = [stopped, *failing]
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
    for one in done - {stopped}:
        one.result()


async def _bridge_ends(bridge: asyncio.subprocess.Process) -> NoReturn:
    raise BridgeFailed(f"the HTTP bridge ended with code {await bridge.wait()}")


def _reachable(address: str) -> str:
    """Return where a server that listens on `address` is reached from this machine."""
    host, _, port = address.rpartition(":")
    return f"{ {'0.0.0.0': '127.0.0.1', '': '127.0.0.1', '[::]': '[::1]'}.get(host, host) }:{port}"  # noqa: S104  # read, not bound
