"""`syncline project …`: tenants."""

import argparse
import json
from functools import partial
from typing import TYPE_CHECKING, Final

from syncline_command.options import add_json, add_place, place_of
from syncline_command.parsing import Command, CommandMisused, Parser, whole_number

if TYPE_CHECKING:
    from syncline_server.identity.projects import NewKey, NewProject
    from syncline_server.store.engine import Engines

_GRACE_HOURS: Final = 24


def _create_options(parser: Parser) -> None:
    parser.add_argument("name", help="Name of the new project.")
    add_json(parser, "Print one JSON object.")
    add_place(parser)


def _create(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import change, registry_of
    from syncline_server.operate import projects
    from syncline_server.store.opening import current_engines

    async def create(engines: "Engines") -> "NewProject":
        maker, _ = registry_of(engines)
        return await projects.create(maker, arguments.name)

    made = change(place_of(arguments), create, current_engines)
    facts = {"project": made.name, "client_key": made.client_key.text, "server_key": made.server_key.text}
    _print_keys(facts, as_json=arguments.json)


def _list(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import look
    from syncline_server.identity.projects import ProjectState
    from syncline_server.operate import projects

    for project in look(place_of(arguments), projects.recorded):
        state = "" if project.state is ProjectState.ACTIVE else f"  {project.state}"
        print(f"{project.name}{state}")


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


def _rename_options(parser: Parser) -> None:
    parser.add_argument("name", help="Name of the project.")
    parser.add_argument("new_name", metavar="NEW-NAME", help="The name that it is to have.")
    add_place(parser)


def _rename(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import change, registry_of
    from syncline_server.operate import projects

    async def rename(engines: "Engines") -> None:
        await projects.rename(*registry_of(engines), arguments.name, arguments.new_name)

    change(place_of(arguments), rename)
    print(f"The project {arguments.name} is now {arguments.new_name}; its keys and tokens stay good.")


def _set_disabled(arguments: argparse.Namespace, *, disabled: bool) -> None:
    from syncline_command.databases import change, registry_of
    from syncline_server.operate import projects

    async def set_disabled(engines: "Engines") -> None:
        await projects.set_disabled(*registry_of(engines), arguments.name, disabled=disabled)

    change(place_of(arguments), set_disabled)
    refused = "refused, and its streams end" if disabled else "taken again"
    print(f"Within 30 s, all calls of {arguments.name} are {refused}.")


def _delete_options(parser: Parser) -> None:
    parser.add_argument("name", help="Name of the project.")
    parser.add_argument(
        "--grace-hours",
        metavar="N",
        type=whole_number,
        default=_GRACE_HOURS,
        help="How long its tombstones can be read before its rows go.  [default: %(default)d]",
    )
    parser.option("--confirm", metavar="NAME", about="The name once more: there is no way back.", required=True)
    add_place(parser)


def _delete(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import change, registry_of
    from syncline_server.operate import projects

    if arguments.confirm != arguments.name:
        raise CommandMisused("--confirm has to be the name of the project: there is no way back")

    async def delete(engines: "Engines") -> None:
        await projects.delete(*registry_of(engines), arguments.name, grace_seconds=arguments.grace_hours * 3600)

    change(place_of(arguments), delete)
    print(
        f"The project {arguments.name} takes no pushes any more. The servers of this database turn its entities into "
        f"tombstones, which followers can read for {arguments.grace_hours} h, and then remove all of it."
    )


def _keys_options(parser: Parser) -> None:
    parser.add_argument("name", help="Name of the project.")
    add_json(parser, "Print one JSON object.")
    add_place(parser)


def _keys(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import change, registry_of
    from syncline_server.identity.projects import KeyKind
    from syncline_server.operate import keys

    async def create(engines: "Engines") -> list["NewKey"]:
        return [await keys.create(*registry_of(engines), arguments.name, kind) for kind in KeyKind]

    made = change(place_of(arguments), create)
    facts = {"project": arguments.name, **{f"{key.kind}_key": key.text for key in made}}
    _print_keys(facts, as_json=arguments.json)


def _print_keys(facts: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(facts))
        return
    for label, value in facts.items():
        print(f"{label.replace('_', ' '):<11} {value}")


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
    "rename": Command(
        about="Give a project another name.",
        examples=("syncline project rename notes notebook",),
        add_options=_rename_options,
        run=_rename,
    ),
    "disable": Command(
        about="Refuse all calls of a project, and end its streams within 30 s; its rows stay.",
        examples=("syncline project disable notes",),
        add_options=_secret_options,
        run=partial(_set_disabled, disabled=True),
    ),
    "enable": Command(
        about="Take calls of a project again.",
        examples=("syncline project enable notes",),
        add_options=_secret_options,
        run=partial(_set_disabled, disabled=False),
    ),
    "delete": Command(
        about="Delete a project: followers are told by tombstones, and after a grace its rows go.",
        examples=(
            "syncline project delete notes --confirm notes",
            "syncline project delete notes --confirm notes --grace-hours 0",
        ),
        add_options=_delete_options,
        run=_delete,
    ),
    "keys": Command(
        about="Make one more key of each kind and print them, this once; those before stay good.\n\n"
        "No key that was made before can be shown: `syncline key list` lists them, `syncline key revoke` ends them.",
        examples=("syncline project keys notes", "syncline project keys notes --json"),
        add_options=_keys_options,
        run=_keys,
    ),
    "list": Command(
        about="Print the names of all projects, oldest first, with their state unless they are active.",
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
