"""`syncline bridge`: the HTTP bridge alone."""

import argparse
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from syncline.certificates import CertificateInvalid
from syncline_command.parsing import Command, CommandFailed, Parser
from syncline_command.stopping import stop_signal, wait_for

if TYPE_CHECKING:
    from syncline_bridge.settings import BridgeSettings


def _add_options(parser: Parser) -> None:
    from syncline_bridge.settings import BridgeSettings
    from syncline_command.settings import add_settings

    add_settings(parser, BridgeSettings)


def _run(arguments: argparse.Namespace) -> None:
    import uvloop

    from syncline.descriptors import raise_descriptor_limit
    from syncline_bridge import logs
    from syncline_bridge.settings import BridgeSettings
    from syncline_command.exposure import check_exposure
    from syncline_command.settings import read_settings

    settings = read_settings(BridgeSettings, arguments)
    check_exposure(settings, http_address=settings.http_address)
    raise_descriptor_limit()
    logs.configure(settings.log_level, settings.log_format)
    try:
        uvloop.run(run_bridge(settings))
    except CertificateInvalid as error:
        raise CommandFailed(str(error)) from error
    except OSError as error:
        raise CommandFailed(f"cannot serve on {settings.http_address}: {error}") from error


async def run_bridge(settings: "BridgeSettings") -> None:
    """Serve until SIGTERM or SIGINT, or until its parent's end; then finish what is in progress."""
    import structlog

    from syncline_bridge.app import serving
    from syncline_command.collector import calm_collector
    from syncline_command.exposure import warn_exposed

    warn_exposed(settings, settings.http_address)
    stop = stop_signal(exit_with_parent=settings.exit_with_parent)
    log = structlog.get_logger(__name__)
    async with serving(settings) as address:
        calm_collector()
        log.info("bridge started", http_address=address, grpc_target=settings.grpc_target, version=version("syncline"))
        await wait_for(stop)
        log.info("bridge stopping", grace_seconds=settings.shutdown_grace_seconds)
    log.info("bridge stopped")


COMMAND: Final = Command(
    about="Run the HTTP bridge alone: it translates documented JSON sync protocols to the server's gRPC.",
    examples=(
        "syncline bridge",
        "syncline bridge --http-address 0.0.0.0:8080 --insecure --grpc-target sync.internal:50051 --grpc-tls-ca ca.crt",
        "SYNCLINE_CORS_ORIGINS=https://app.example syncline bridge --log-format json",
    ),
    add_options=_add_options,
    run=_run,
)
