"""`syncline operator …`: who may administer a deployment from elsewhere."""

import argparse
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from syncline_command.options import add_json, add_place, place_of
from syncline_command.parsing import Command, Parser

if TYPE_CHECKING:
    from syncline_server.identity.operators import NewOperator
    from syncline_server.store.engine import Engines

_ROLES: Final = ("viewer", "operator")


def _create_options(parser: Parser) -> None:
    parser.add_argument("name", help="Who it is for, as the audit shows it.")
    parser.add_argument(
        "--role",
        choices=_ROLES,
        required=True,
        help="A viewer sees how the deployment does and nothing of its users; an operator does and sees all there is.",
    )
    add_json(parser, "Print one JSON object.")
    add_place(parser)


def _create(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import by_command, change
    from syncline_server.identity.operators import Role
    from syncline_server.operate import operators
    from syncline_server.store.operators import SqlOperators

    async def create(engines: "Engines") -> "NewOperator":
        return await operators.create(SqlOperators(engines, by_command()), arguments.name, Role(arguments.role))

    made = change(place_of(arguments), create)
    facts = {"id": made.id, "name": made.name, "role": made.role, "key": made.text}
    print(json.dumps(facts) if arguments.json else made.text)


def _list_options(parser: Parser) -> None:
    add_json(parser, "Print one JSON object a line.")
    add_place(parser)


def _list(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import ask
    from syncline_server.operate import operators
    from syncline_server.store.looking import EngineCatalogue

    for one in ask(place_of(arguments), lambda engines: operators.recorded(EngineCatalogue(engines))):
        state = "in force" if one.revoked_at_us is None else f"revoked {_moment(one.revoked_at_us)}"
        created = _moment(one.created_at_us)
        facts = {"id": one.id, "name": one.name, "role": one.role, "created_at": created, "state": state}
        print(json.dumps(facts) if arguments.json else "  ".join(facts.values()))


def _moment(us: int) -> str:
    return datetime.fromtimestamp(us // 1_000_000, UTC).isoformat()


def _revoke_options(parser: Parser) -> None:
    parser.add_argument("operator", metavar="ID", help="Id of the operator, as `syncline operator list` shows it.")
    add_place(parser)


def _revoke(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import by_command, change
    from syncline_server.operate import operators
    from syncline_server.store.operators import SqlOperators

    async def revoke(engines: "Engines") -> None:
        await operators.revoke(SqlOperators(engines, by_command()), arguments.operator)

    change(place_of(arguments), revoke)
    print(f"Operator {arguments.operator} is revoked: the next call with that key is refused.")


COMMANDS: Final = {
    "create": Command(
        about="Make an operator and print the key, this once.",
        examples=(
            "syncline operator create ada --role operator",
            "syncline operator create wall-screen --role viewer --json",
        ),
        add_options=_create_options,
        run=_create,
    ),
    "list": Command(
        about="Print all operators there have been, oldest first: id, name, role, age and state.",
        examples=("syncline operator list", "syncline operator list --json"),
        add_options=_list_options,
        run=_list,
    ),
    "revoke": Command(
        about="End the key of an operator.",
        examples=("syncline operator revoke 3f0a9c1d2e4b",),
        add_options=_revoke_options,
        run=_revoke,
    ),
}
