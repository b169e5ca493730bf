"""`syncline server`: the gRPC server alone, in one process or in several."""

import argparse
from typing import TYPE_CHECKING, Final

from syncline_command.parsing import Command, Parser

if TYPE_CHECKING:
    from syncline_server.settings import ServerSettings

_OF_SERVE: Final = ("http_address", "no_http")


def _add_options(parser: Parser) -> None:
    from syncline_command.settings import add_settings
    from syncline_server.settings import ServerSettings

    add_settings(parser, ServerSettings, without=_OF_SERVE)


def _run(arguments: argparse.Namespace) -> None:
    from syncline_command.exposure import check_exposure, listened_to
    from syncline_command.serving import run_process
    from syncline_command.settings import read_settings
    from syncline_command.workers import run_workers
    from syncline_server.settings import ServerSettings

    settings = read_settings(ServerSettings, arguments)
    check_exposure(settings, **listened_to(settings))
    run_process(settings, run_server if settings.workers == 1 else run_workers)


async def run_server(settings: "ServerSettings") -> None:
    """Run the gRPC server until SIGTERM or SIGINT, or until its parent's end. Raises what ends it before."""
    from syncline_command.collector import calm_collector
    from syncline_command.exposure import listened_to, warn_exposed
    from syncline_command.stopping import stop_signal, wait_for
    from syncline_server.app import running_server

    warn_exposed(settings, *listened_to(settings).values())
    stop = stop_signal(exit_with_parent=settings.exit_with_parent)
    async with running_server(settings) as server:
        calm_collector()
        await wait_for(stop, server.ended)


COMMAND: Final = Command(
    about="Run the gRPC server alone.",
    examples=(
        "syncline server --database postgresql://syncline@db/syncline",
        "syncline server --database postgresql://syncline@db/syncline --workers 4",
    ),
    add_options=_add_options,
    run=_run,
)
