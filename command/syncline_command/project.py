"""`syncline project …`: tenants."""

import argparse
import json
from typing import TYPE_CHECKING, Final

from syncline_command.options import add_json, add_place, place_of
from syncline_command.parsing import Command, Parser

if TYPE_CHECKING:
    from syncline_server.identity.projects import NewProject
    from syncline_server.store.engine import Engines


def _create_options(parser: Parser) -> None:
    parser.add_argument("name", help="Name of the new project.")
    add_json(parser, "Print one JSON object.")
    add_place(parser)


def _create(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import change
    from syncline_server.operate import projects
    from syncline_server.store.opening import current_engines
    from syncline_server.store.registry import SqlRegistry

    async def create(engines: "Engines") -> "NewProject":
        return await projects.create(SqlRegistry(engines), arguments.name)

    made = change(place_of(arguments), create, current_engines)
    facts = {"project": made.name, "client_key": made.client_key.text, "server_key": made.server_key.text}
    if arguments.json:
        print(json.dumps(facts))
        return
    for label, value in facts.items():
        print(f"{label.replace('_', ' '):<11} {value}")


def _list(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import look
    from syncline_server.operate import projects

    for project in look(place_of(arguments), projects.recorded):
        print(project.name)


def _secret_options(parser: Parser) -> None:
    parser.add_argument("name", help="Name of the project.")
    add_place(parser)


def _secret(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import look
    from syncline_server.operate import projects

    print(look(place_of(arguments), lambda catalogue: projects.session_secret(catalogue, arguments.name)))


def _new_secret(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import change, registry_of
    from syncline_server.operate import projects

    async def make(engines: "Engines") -> str:
        return await projects.new_session_secret(*registry_of(engines), arguments.name)

    print(change(place_of(arguments), make))


def _retire_secrets(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import change, registry_of
    from syncline_server.operate import projects

    async def retire(engines: "Engines") -> int:
        return await projects.retire_session_secrets(*registry_of(engines), arguments.name)

    retired = change(place_of(arguments), retire)
    print(f"{retired} session secrets are retired: their tokens are refused within 30 s, and their streams end.")


def _bind_options(parser: Parser) -> None:
    _secret_options(parser)
    parser.add_argument("--off", action="store_true", help="Take any device again that a session names.")


def _bind_devices(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import change, registry_of
    from syncline_server.operate import projects

    async def bind(engines: "Engines") -> None:
        await projects.bind_devices(*registry_of(engines), arguments.name, bound=not arguments.off)

    change(place_of(arguments), bind)
    taken = "any device" if arguments.off else "no device but the one in their tokens"
    print(f"Within 30 s, sessions of {arguments.name} may name {taken}.")


COMMANDS: Final = {
    "create": Command(
        about="Make a project and print its keys, this once.",
        examples=("syncline project create notes", "syncline project create notes --json"),
        add_options=_create_options,
        run=_create,
    ),
    "list": Command(
        about="Print the names of all projects, oldest first.",
        examples=("syncline project list",),
        add_options=add_place,
        run=_list,
    ),
    "secret": Command(
        about="Print the HS256 secret with which your own backend signs session tokens.",
        examples=("syncline project secret notes",),
        add_options=_secret_options,
        run=_secret,
    ),
    "new-secret": Command(
        about="Make a session secret and print it: it signs session tokens from now on.\n\n"
        "Tokens that were signed with those before stay good until `syncline project retire-secrets`.",
        examples=("syncline project new-secret notes",),
        add_options=_secret_options,
        run=_new_secret,
    ),
    "retire-secrets": Command(
        about="Drop all session secrets but the newest, with all that their tokens have opened.",
        examples=("syncline project retire-secrets notes",),
        add_options=_secret_options,
        run=_retire_secrets,
    ),
    "bind-devices": Command(
        about="Let sessions name no device but the one in their tokens (device_id).\n\n"
        "Without it a device id is a name that any session of its user may say, and not a credential.",
        examples=("syncline project bind-devices notes", "syncline project bind-devices notes --off"),
        add_options=_bind_options,
        run=_bind_devices,
    ),
}
