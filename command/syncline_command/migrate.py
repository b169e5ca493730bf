"""`syncline migrate`: the schema of a database."""

import argparse
from typing import Final

from syncline_command.options import add_place, place_of
from syncline_command.parsing import Command


def _run(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import change
    from syncline_server.operate.migration import migrate
    from syncline_server.store.opening import opened_engines

    print(f"The schema is at {change(place_of(arguments), migrate, opened_engines)}.")


COMMAND: Final = Command(
    about="Bring a database's schema up to date.\n\nA server does so for SQLite by itself.",
    examples=("syncline migrate --database postgresql://syncline@db/syncline",),
    add_options=add_place,
    run=_run,
)
