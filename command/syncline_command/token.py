"""`syncline token`: session tokens."""

import argparse
import re
from typing import Final

from syncline_command.options import add_place, place_of
from syncline_command.parsing import Command, CommandMisused, Parser

_TTL: Final = "1h"
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _add_options(parser: Parser) -> None:
    parser.option("--project", metavar="NAME", about="Name of the project.", required=True)
    parser.option("--user", metavar="ID", about="The user it is for.", required=True)
    parser.option("--device", metavar="ID", about="The installation it is for.")
    parser.option("--ttl", metavar="TIME", about="How long it is valid: 90s, 15m, 1h, 30d.", default=_TTL)
    parser.option("--scope", metavar="SCOPES", about='Limit it to scopes: "sync todo".')
    add_place(parser)


def _run(arguments: argparse.Namespace) -> None:
    seconds = _seconds(arguments.ttl or _TTL)

    from syncline_command.databases import look
    from syncline_server.operate import tokens

    print(
        look(
            place_of(arguments),
            lambda catalogue: tokens.issue(
                catalogue,
                arguments.project,
                arguments.user,
                ttl_seconds=seconds,
                device=arguments.device,
                scope=arguments.scope,
            ),
        )
    )


def _seconds(duration: str) -> int:
    """Return the seconds of `90s`, `15m`, `1h` or `30d`."""
    number, unit = duration[:-1], duration[-1:]
    if unit not in _SECONDS or not re.fullmatch(r"[1-9][0-9]{0,8}", number):
        raise CommandMisused(f"--ttl: {duration!r} is not a duration like 90s, 15m, 1h or 30d")
    return int(number) * _SECONDS[unit]


COMMAND: Final = Command(
    about="Print a session token.",
    examples=(
        "syncline token --project default --user ada",
        "syncline token --project default --user ada --device phone --ttl 30d",
    ),
    add_options=_add_options,
    run=_run,
)
