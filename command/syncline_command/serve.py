"""`syncline serve`: the whole of Syncline on one machine, the gRPC server with the bridge as its child."""

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from syncline_command.parsing import Command, Parser

if TYPE_CHECKING:
    from syncline_server.app import RunningServer
    from syncline_server.settings import ServerSettings

_FIRST_PROJECT: Final = "default"
_FIRST_USER: Final = "demo"
_FIRST_TOKEN_SECONDS: Final = 24 * 3600
_OF_SERVER: Final = ("workers",)
_OF_A_SERVER_ELSEWHERE: Final = ("grpc_tls_ca", "grpc_tls_certificate", "grpc_tls_key")
_SET_HERE: Final = ("grpc_target", "exit_with_parent", *_OF_A_SERVER_ELSEWHERE)
"""Settings of the bridge that `serve` knows better."""


def _add_options(parser: Parser) -> None:
    from syncline_bridge.settings import BridgeSettings
    from syncline_command.settings import add_settings
    from syncline_server.settings import ServerSettings

    add_settings(parser, ServerSettings, without=_OF_SERVER)
    add_settings(parser, BridgeSettings, without=(*_SET_HERE, *ServerSettings.model_fields))


def _run(arguments: argparse.Namespace) -> None:
    from syncline_bridge.settings import BridgeSettings
    from syncline_command.exposure import check_exposure
    from syncline_command.serving import run_process
    from syncline_command.settings import environment_of, given_settings, read_settings
    from syncline_server.settings import ServerSettings

    settings = read_settings(ServerSettings, arguments)
    addresses = {"grpc_address": settings.grpc_address}
    if not settings.no_http:
        read_settings(BridgeSettings, arguments)  # the bridge would refuse them, later and less clearly
        addresses["http_address"] = settings.http_address
    check_exposure(settings, **addresses)
    run_process(settings, partial(run_all, environment_of(given_settings(BridgeSettings, arguments))))


async def run_all(bridge_environment: Mapping[str, str], settings: "ServerSettings") -> None:
    """Run the gRPC server and the bridge until a stop signal.

    Raises CommandFailed when the bridge fails, and what ends the server before.
    """
    import asyncio

    from syncline_command.bridge_process import bridge_ends, reachable, running_bridge
    from syncline_command.exposure import warn_exposed
    from syncline_command.serving import calm_collector
    from syncline_command.stopping import stop_signal, wait_for
    from syncline_server.app import running_server

    warn_exposed(settings, settings.grpc_address)
    stop = stop_signal(exit_with_parent=settings.exit_with_parent)
    with _local_socket(settings) as local_socket:
        async with running_server(settings, local_socket=local_socket) as server:
            calm_collector()
            if settings.no_http:
                await _welcome(settings, server)
                await wait_for(stop, server.ended)
                return
            target = f"unix:{local_socket}" if local_socket is not None else reachable(server.grpc_address)
            # Variables for a server elsewhere do not speak of this one.
            own = dict.fromkeys((f"SYNCLINE_{name.upper()}" for name in _OF_A_SERVER_ELSEWHERE), "")
            environment = {**bridge_environment, **own, "SYNCLINE_GRPC_TARGET": target}
            async with running_bridge(settings.http_address, environment) as bridge:
                await _welcome(settings, server)
                await wait_for(stop, server.ended, asyncio.ensure_future(bridge_ends(bridge)))


@contextmanager
def _local_socket(settings: "ServerSettings") -> Iterator[Path | None]:
    """Yield where the bridge reaches a server that speaks TLS: a socket in a folder of this user alone."""
    if settings.tls_certificate is None or settings.no_http:
        yield None
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="syncline-") as folder:
        yield Path(folder) / "grpc.sock"


async def _welcome(settings: "ServerSettings", server: "RunningServer") -> None:
    """On an empty database, make the first project and say how to use it."""
    from syncline_command.welcome import welcome
    from syncline_server.operate import projects, tokens
    from syncline_server.store.looking import EngineCatalogue
    from syncline_server.store.registry import SqlRegistry

    catalogue = EngineCatalogue(server.engines)
    if await projects.recorded(catalogue):
        return
    made = await projects.create(SqlRegistry(server.engines), _FIRST_PROJECT)
    token = await tokens.issue(catalogue, _FIRST_PROJECT, _FIRST_USER, ttl_seconds=_FIRST_TOKEN_SECONDS)
    print(welcome(settings, server.grpc_address, made, token), flush=True)


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
