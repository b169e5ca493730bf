"""`syncline epoch …`: where the history of a database may have forked."""

import argparse
import json
from datetime import UTC, datetime
from typing import Final

from syncline_command.options import add_json, add_place, place_of
from syncline_command.parsing import Command, Parser


def _new(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import by_command, change
    from syncline_server.operate import epochs

    begun = change(place_of(arguments), lambda engines: epochs.begin(engines, by_command()))
    print(f"Epoch {begun.number} has begun.")


def _list_options(parser: Parser) -> None:
    add_json(parser, "Print one JSON object a line.")
    add_place(parser)


def _list(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import ask
    from syncline_server.operate import epochs

    for epoch in ask(place_of(arguments), epochs.recorded):
        facts = {
            "number": epoch.number,
            "id": epoch.id,
            "started_at": datetime.fromtimestamp(epoch.started_at_us / 1_000_000, UTC).isoformat(),
            "cause": epoch.cause,
            "incarnation": epoch.incarnation,
        }
        print(json.dumps(facts) if arguments.json else "  ".join(str(fact) for fact in facts.values()))


COMMANDS: Final = {
    "new": Command(
        about="Begin an epoch by hand: after restoring tables of a PostgreSQL database while it ran.\n\n"
        "Starts of the server on SQLite, and starts, promotions and full restores of PostgreSQL, begin one by "
        "themselves.",
        examples=("syncline epoch new", "syncline epoch new --database postgresql://syncline@db/syncline"),
        add_options=add_place,
        run=_new,
    ),
    "list": Command(
        about="Print all epochs, oldest first: their number, when and why they began, and in which incarnation.",
        examples=("syncline epoch list", "syncline epoch list --json"),
        add_options=_list_options,
        run=_list,
    ),
}
