"""The options of `syncline verify`; what it does is imported when it is run, so that the help of others stays quick."""

import asyncio
from typing import Annotated, Final

import typer

EPILOG: Final = """Examples:

\b
  syncline verify --api-key $SERVER_KEY
  syncline verify --api-key $SERVER_KEY --http-address 127.0.0.1:8080 --seconds 10
  syncline verify --target kinto --http-address 127.0.0.1:8888 --api-key user:password
"""
_TARGETS: Final = ("syncline", "kinto")


def _checked_target(value: str) -> str:
    if value not in _TARGETS:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(_TARGETS)}")
    return value


def verify(
    api_key: Annotated[str, typer.Option(envvar="SYNCLINE_API_KEY", help="A server key; of Kinto, user:password.")],
    grpc_address: Annotated[
        str, typer.Option(envvar="SYNCLINE_GRPC_ADDRESS", help="HOST:PORT of the server.")
    ] = "127.0.0.1:50051",
    http_address: Annotated[
        str | None,
        typer.Option(envvar="SYNCLINE_HTTP_ADDRESS", help="HOST:PORT of the bridge, to verify it too; of Kinto."),
    ] = None,
    seconds: Annotated[float, typer.Option(envvar="SYNCLINE_SECONDS", min=0.1, help="How long to write.")] = 60,
    largest_push: Annotated[
        int, typer.Option(envvar="SYNCLINE_LARGEST_PUSH", min=1, max=1000, help="Most changes in a push.")
    ] = 40,
    target: Annotated[
        str, typer.Option(envvar="SYNCLINE_TARGET", callback=_checked_target, help="What it is: syncline or kinto.")
    ] = "syncline",
) -> None:
    """Write to a running deployment and check what its readers get.

    Exits with 1 on a violation, with 2 when there is nothing to verify: nobody is there, or the key is wrong. The load
    belongs to users of its own, verify-…, whose entities are deleted afterwards; their tombstones stay in the log.
    """
    from syncline_verify import command

    if target == "kinto":
        verifying = command.verify_kinto(http_address or "127.0.0.1:8888", api_key, seconds, largest_push)
    else:
        verifying = command.verify_syncline(grpc_address, http_address, api_key, seconds, largest_push)
    try:
        code = asyncio.run(verifying)
    except KeyboardInterrupt:
        code = 130
    raise typer.Exit(code)
