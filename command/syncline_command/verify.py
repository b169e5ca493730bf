"""`syncline verify`: load on a running deployment, and checks of what its readers get."""

import argparse
import math
from typing import Final

from syncline_command.options import (
    add_api_key,
    add_grpc_address,
    add_grpc_tls,
    api_key_of,
    given_or_set,
    grpc_address_of,
    grpc_tls_of,
)
from syncline_command.parsing import Command, Parser

_TARGETS: Final = ("syncline", "kinto")
_SECONDS: Final = 60.0
_LARGEST_PUSH: Final = 40
_MOST_CHANGES: Final = 1000
_KINTO: Final = "127.0.0.1:8888"


def _add_options(parser: Parser) -> None:
    add_api_key(parser, "A server key; of Kinto, user:password.")
    add_grpc_address(parser)
    add_grpc_tls(parser)
    parser.option(
        "--http-address",
        metavar="HOST:PORT",
        about="Where the bridge listens, or its URL, to verify it too; of Kinto.",
        variable="SYNCLINE_HTTP_ADDRESS",
    )
    parser.add_argument(
        "--seconds",
        metavar="SECONDS",
        type=_positive,
        default=_SECONDS,
        help="How long to write.  [default: %(default)g]",
    )
    parser.add_argument(
        "--largest-push",
        metavar="N",
        type=_changes,
        default=_LARGEST_PUSH,
        help="Most changes in a push.  [default: %(default)d]",
    )
    parser.add_argument("--target", choices=_TARGETS, default=_TARGETS[0], help="What it is.  [default: %(default)s]")


def _run(arguments: argparse.Namespace) -> int:
    import asyncio

    from syncline_verify.command import verify_kinto, verify_syncline

    key, http_address = api_key_of(arguments), given_or_set(arguments.http_address, "SYNCLINE_HTTP_ADDRESS")
    if arguments.target == "kinto":
        return asyncio.run(verify_kinto(http_address or _KINTO, key, arguments.seconds, arguments.largest_push))
    address, tls = grpc_address_of(arguments), grpc_tls_of(arguments)
    return asyncio.run(verify_syncline(address, http_address, tls, key, arguments.seconds, arguments.largest_push))


def _positive(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


def _changes(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST_CHANGES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_MOST_CHANGES}")
    return int(text)


COMMAND: Final = Command(
    about="Write to a running deployment and check what its readers get.\n\n"
    "Exits with 1 on a violation, with 2 when there is nothing to verify: nobody is there, or the key is wrong. The "
    "load belongs to users of its own, verify-…, whose entities are deleted afterwards; their tombstones stay in the "
    "log.",
    examples=(
        "SYNCLINE_API_KEY=$SERVER_KEY syncline verify",
        "syncline verify --api-key-file server.key --http-address 127.0.0.1:8080 --seconds 10",
        "syncline verify --target kinto --http-address 127.0.0.1:8888 --api-key user:password",
    ),
    add_options=_add_options,
    run=_run,
)
