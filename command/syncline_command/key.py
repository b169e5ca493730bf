"""`syncline key …`: the keys of a project."""

import argparse
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from syncline_command.options import add_json, add_place, place_of
from syncline_command.parsing import Command, Parser

if TYPE_CHECKING:
    from syncline_server.identity.projects import NewKey
    from syncline_server.store.engine import Engines

_KINDS: Final = ("client", "server")


def _create_options(parser: Parser) -> None:
    parser.add_argument("project", help="Name of the project.")
    parser.add_argument(
        "--kind",
        choices=_KINDS,
        required=True,
        help="A client key is for apps, and needs a session token; a server key acts for any user.",
    )
    add_json(parser, "Print one JSON object.")
    add_place(parser)


def _create(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import change
    from syncline_server.identity.projects import KeyKind
    from syncline_server.operate import keys
    from syncline_server.store.looking import EngineCatalogue
    from syncline_server.store.registry import SqlRegistry

    async def create(engines: "Engines") -> "NewKey":
        maker, catalogue = SqlRegistry(engines), EngineCatalogue(engines)
        return await keys.create(maker, catalogue, arguments.project, KeyKind(arguments.kind))

    made = change(place_of(arguments), create)
    facts = {"project": arguments.project, "id": made.id, "kind": made.kind, "key": made.text}
    print(json.dumps(facts) if arguments.json else made.text)


def _list_options(parser: Parser) -> None:
    parser.add_argument("project", help="Name of the project.")
    add_json(parser, "Print one JSON object a line.")
    add_place(parser)


def _list(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import look
    from syncline_server.operate import keys

    for key in look(place_of(arguments), lambda catalogue: keys.recorded(catalogue, arguments.project)):
        created = datetime.fromtimestamp(key.created_at_us / 1_000_000, UTC)
        facts = {"id": key.id, "kind": key.kind, "created_at": created.isoformat()}
        print(json.dumps(facts) if arguments.json else "  ".join(facts.values()))


COMMANDS: Final = {
    "create": Command(
        about="Make one more key of a project and print it, this once.",
        examples=("syncline key create notes --kind server", "syncline key create notes --kind client --json"),
        add_options=_create_options,
        run=_create,
    ),
    "list": Command(
        about="Print the keys of a project, oldest first: their id, kind, and when they were made.\n\n"
        "The id is the third part of a key; the rest of it is kept nowhere.",
        examples=("syncline key list notes", "syncline key list notes --json"),
        add_options=_list_options,
        run=_list,
    ),
}
