"""`syncline settings`: which settings are in force, and where each comes from."""

import argparse
import json
import os
from typing import Final

from syncline_command.asking import add_server, asked_server
from syncline_command.options import add_json, add_place, place_of
from syncline_command.parsing import Command, Parser


def _options(parser: Parser) -> None:
    parser.flag("--changed", about="Only those that are not at their defaults.")
    add_json(parser, "Print one JSON object a line.")
    add_server(parser)
    add_place(parser)


def _run(arguments: argparse.Namespace) -> None:
    from syncline.v1 import admin_pb2

    with asked_server(arguments) as server:
        if server is None:
            rows = _of_environment(arguments)
        else:
            found = server.ListSettings(admin_pb2.ListSettingsRequest()).settings
            rows = [(one.name, one.value, one.origin) for one in found]
    for name, value, origin in rows:
        if origin == "default" and arguments.changed:
            continue
        facts = {"name": name, "value": value, "origin": origin}
        print(json.dumps(facts) if arguments.json else f"{name}={value}  ({origin})")


def _of_environment(arguments: argparse.Namespace) -> list[tuple[str, str, str]]:
    """Return what a server would run with that is started here now, with these options."""
    from syncline_command.settings import read_settings
    from syncline_server.settings import ServerSettings
    from syncline_server.wiring.administration import settings_in_force

    place = place_of(arguments)
    given = argparse.Namespace(database=place.database, data_dir=str(place.data_dir), runtime_dir=arguments.runtime_dir)
    named = {name: value for name, value in vars(given).items() if getattr(arguments, name) is not None}
    settings = read_settings(ServerSettings, argparse.Namespace(**named))
    return [(one.name, one.value, one.origin) for one in settings_in_force(settings, os.environ)]


COMMAND: Final = Command(
    about="Print the settings of the server that is alive here, and where each comes from; secrets are not shown.\n\n"
    "Where none is alive, those that a server would have that is started now.",
    examples=("syncline settings", "syncline settings --changed", "syncline settings --json"),
    add_options=_options,
    run=_run,
)
