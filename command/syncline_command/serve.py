"""`syncline serve`: the whole of Syncline on one machine, the gRPC server with the bridge as its child."""

import argparse
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from syncline_command.parsing import Command, Parser

if TYPE_CHECKING:
    import asyncio

    from syncline_server.app import RunningServer
    from syncline_server.rpc.server import LocalSockets
    from syncline_server.settings import ServerSettings

_FIRST_PROJECT: Final = "default"
_FIRST_USER: Final = "demo"
_FIRST_TOKEN_SECONDS: Final = 24 * 3600
_OF_SERVER: Final = ("workers",)
_OF_A_SERVER_ELSEWHERE: Final = ("grpc_tls_ca", "grpc_tls_certificate", "grpc_tls_key")
_SET_HERE: Final = ("grpc_target", "relay_socket", "exit_with_parent", *_OF_A_SERVER_ELSEWHERE)
"""Settings of the bridge that `serve` knows better."""
_LONGEST_SOCKET_BYTES: Final = 100
"""A longer path is no address of a Unix socket on one system or another."""


def _add_options(parser: Parser) -> None:
    from syncline_bridge.settings import BridgeSettings
    from syncline_command.settings import add_settings
    from syncline_server.settings import ServerSettings

    add_settings(parser, ServerSettings, without=_OF_SERVER)
    add_settings(parser, BridgeSettings, without=(*_SET_HERE, *ServerSettings.model_fields))


def _run(arguments: argparse.Namespace) -> None:
    from syncline_bridge.settings import BridgeSettings
    from syncline_command.exposure import check_exposure, listened_to
    from syncline_command.serving import run_process
    from syncline_command.settings import environment_of, given_settings, read_settings
    from syncline_server.settings import ServerSettings

    settings = read_settings(ServerSettings, arguments)
    addresses = listened_to(settings)
    bridge = None
    if not settings.no_http:
        of_bridge = read_settings(BridgeSettings, arguments)  # it would refuse them, later and less clearly
        bridge = _Bridge(environment_of(given_settings(BridgeSettings, arguments)), of_bridge.demo_enabled)
        addresses["http_address"] = settings.http_address
    check_exposure(settings, **addresses)
    run_process(settings, partial(run_all, bridge))


@dataclass(frozen=True, slots=True)
class _Bridge:
    """How the bridge is to be run."""

    environment: Mapping[str, str]
    has_demo: bool


async def run_all(bridge: _Bridge | None, settings: "ServerSettings") -> None:
    """Run the gRPC server, and the bridge if there is to be one, until a stop signal.

    Raises CommandFailed when the bridge fails, and what ends the server before.
    """
    from syncline_command.bridge_process import running_bridge
    from syncline_command.exposure import listened_to, warn_exposed
    from syncline_command.links import reachable
    from syncline_command.stopping import stop_signal

    warn_exposed(settings, *listened_to(settings).values())
    stop = stop_signal(exit_with_parent=settings.exit_with_parent)
    if bridge is None:
        await _serve_alone(settings, stop)
        return
    with _sockets(settings) as sockets:
        target = f"unix:{sockets.grpc}" if sockets.grpc is not None else reachable(settings.grpc_address)
        # Variables for a server elsewhere do not speak of this one.
        own = dict.fromkeys((f"SYNCLINE_{name.upper()}" for name in _OF_A_SERVER_ELSEWHERE), "")
        own |= {"SYNCLINE_GRPC_TARGET": target, "SYNCLINE_RELAY_SOCKET": str(sockets.relay or "")}
        # Side by side: each takes a second of a core to load.
        async with running_bridge({**bridge.environment, **own}) as process:
            await _serve_beside(process, settings, stop, sockets, has_demo=bridge.has_demo)


async def _serve_alone(settings: "ServerSettings", stop: "asyncio.Event") -> None:
    from syncline_command.collector import calm_collector
    from syncline_command.stopping import wait_for
    from syncline_server.app import running_server

    async with running_server(settings) as server:
        calm_collector()
        await _welcome(settings, server, has_demo=False)
        await wait_for(stop, server.ended)


async def _serve_beside(
    bridge: "asyncio.subprocess.Process",
    settings: "ServerSettings",
    stop: "asyncio.Event",
    sockets: "LocalSockets",
    *,
    has_demo: bool,
) -> None:
    import asyncio

    from syncline_command.bridge_process import bridge_ends, bridge_started, end_bridge
    from syncline_command.collector import calm_collector
    from syncline_command.stopping import wait_for
    from syncline_server.app import running_server

    async with running_server(settings, sockets=sockets) as server:
        calm_collector()
        try:
            await bridge_started(settings.http_address, bridge)
            await _welcome(settings, server, has_demo=has_demo)
            await wait_for(stop, server.ended, asyncio.ensure_future(bridge_ends(bridge)))
        finally:
            await end_bridge(bridge)  # before the server: what the bridge has begun, it answers


@contextmanager
def _sockets(settings: "ServerSettings") -> Iterator["LocalSockets"]:
    """Yield where the bridge reaches the server, in a folder of this user alone.

    That is for gRPC, too, where the server speaks TLS or its port is not known before it has one.
    """
    import tempfile

    from syncline_server.rpc.server import LocalSockets

    needs_grpc = settings.tls_certificate is not None or settings.grpc_address.endswith(":0")
    with tempfile.TemporaryDirectory(prefix="syncline-") as folder:
        relay = Path(folder) / "relay.sock"
        fits = len(os.fsencode(relay)) <= _LONGEST_SOCKET_BYTES
        yield LocalSockets(Path(folder) / "grpc.sock" if needs_grpc else None, relay if fits else None)


async def _welcome(settings: "ServerSettings", server: "RunningServer", *, has_demo: bool) -> None:
    """Say where it listens; on an empty database, make the first project and say how to use it."""
    from syncline_command.welcome import running, welcome
    from syncline_server.operate import projects, tokens
    from syncline_server.store.looking import EngineCatalogue
    from syncline_server.store.registry import SqlRegistry

    catalogue = EngineCatalogue(server.engines)
    is_first = not await projects.recorded(catalogue)
    if is_first or settings.log_format == "console":  # else a log line tells a program
        print(running(settings, server.grpc_address), end="", flush=True)
    if not is_first:
        return
    async with server.engines.writing_alone():
        made = await projects.create(SqlRegistry(server.engines), _FIRST_PROJECT)
    token = await tokens.issue(catalogue, _FIRST_PROJECT, _FIRST_USER, ttl_seconds=_FIRST_TOKEN_SECONDS)
    print(welcome(settings, made, token, has_demo=has_demo), flush=True)


COMMAND: Final = Command(
    about="Run the whole of Syncline on this machine: gRPC, and HTTP beside it.\n\n"
    "On an empty database it makes a first project and prints its keys.",
    examples=(
        "syncline serve",
        "syncline serve --http-address 0.0.0.0:8443 --tls-certificate tls.crt --tls-key tls.key",
        "syncline serve --data-dir /var/lib/syncline --http-address 0.0.0.0:8080 --insecure",
        "syncline serve --cors-origin https://app.example --cors-origin https://beta.example",
        "syncline serve --database postgresql://syncline@db/syncline --no-http",
    ),
    add_options=_add_options,
    run=_run,
)
