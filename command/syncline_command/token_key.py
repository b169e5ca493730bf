"""`syncline token-key …`: the keys that sign checkpoint tokens."""

import argparse
from typing import Final

from syncline_command.options import add_place, place_of
from syncline_command.parsing import Command


def _rotate(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import by_command, change
    from syncline_server.operate import checkpoint_keys

    made = change(place_of(arguments), lambda engines: checkpoint_keys.rotate(engines, by_command()))
    print(f"Checkpoint key {made} is made: it signs after a minute, and tokens of those before it stay good.")


COMMANDS: Final = {
    "rotate": Command(
        about="Make a new key for checkpoint tokens: it signs after a minute.\n\n"
        "Tokens of the 15 keys before it stay good.",
        examples=("syncline token-key rotate",),
        add_options=add_place,
        run=_rotate,
    ),
}
