"""`syncline key …`: the keys of a project."""

import argparse
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from syncline_command.options import add_json, add_place, place_of
from syncline_command.parsing import Command, Parser, whole_number

if TYPE_CHECKING:
    from syncline_server.identity.projects import NewKey
    from syncline_server.store.catalogue import RecordedKey
    from syncline_server.store.engine import Engines

_KINDS: Final = ("client", "server")
_DAY_SECONDS: Final = 86_400
_OVERLAP_HOURS: Final = 24


def _create_options(parser: Parser) -> None:
    parser.add_argument("project", help="Name of the project.")
    parser.add_argument(
        "--kind",
        choices=_KINDS,
        required=True,
        help="A client key is for apps, and needs a session token; a server key acts for any user.",
    )
    parser.option("--name", metavar="NAME", about="What it is for, for people.")
    parser.add_argument("--days", metavar="N", type=whole_number, help="Let it expire after so many days.")
    add_json(parser, "Print one JSON object.")
    add_place(parser)


def _create(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import change, registry_of
    from syncline_server.identity.projects import KeyKind
    from syncline_server.operate import keys

    async def create(engines: "Engines") -> "NewKey":
        ttl = None if arguments.days is None else arguments.days * _DAY_SECONDS
        kind, name = KeyKind(arguments.kind), arguments.name or ""
        return await keys.create(*registry_of(engines), arguments.project, kind, name=name, ttl_seconds=ttl)

    _print_new(arguments, change(place_of(arguments), create))


def _print_new(arguments: argparse.Namespace, made: "NewKey") -> None:
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
        facts = _facts(key)
        print(json.dumps(facts) if arguments.json else "  ".join(str(fact) for fact in facts.values() if fact))


def _facts(key: "RecordedKey") -> dict[str, str | None]:
    day = key.last_used_day
    return {
        "id": key.id,
        "kind": key.kind,
        "name": key.name,
        "created_at": _moment(key.created_at_us),
        "state": _state(key),
        "last_used": None if day is None else datetime.fromtimestamp(day * _DAY_SECONDS, UTC).date().isoformat(),
    }


def _state(key: "RecordedKey") -> str:
    if key.revoked_at_us is not None:
        return f"revoked {_moment(key.revoked_at_us)}"
    if key.expires_at_us is None:
        return "in force"
    ended = key.expires_at_us <= time.time_ns() // 1000
    return f"{'expired' if ended else 'expires'} {_moment(key.expires_at_us)}"


def _moment(us: int) -> str:
    return datetime.fromtimestamp(us // 1_000_000, UTC).isoformat()


def _one_options(parser: Parser) -> None:
    parser.add_argument("project", help="Name of the project.")
    parser.add_argument("key", metavar="ID", help="Id of the key: its third part, as `syncline key list` shows it.")


def _revoke_options(parser: Parser) -> None:
    _one_options(parser)
    add_place(parser)


def _revoke(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import change, registry_of
    from syncline_server.operate import keys

    async def revoke(engines: "Engines") -> None:
        await keys.revoke(*registry_of(engines), arguments.project, arguments.key)

    change(place_of(arguments), revoke)
    print(f"Key {arguments.key} is revoked: servers refuse it within 15 s and end its streams within 30 s.")


def _rotate_options(parser: Parser) -> None:
    _one_options(parser)
    parser.add_argument(
        "--overlap-hours",
        metavar="N",
        type=whole_number,
        default=_OVERLAP_HOURS,
        help="How long the one before stays good.  [default: %(default)d]",
    )
    add_json(parser, "Print one JSON object.")
    add_place(parser)


def _rotate(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import change, registry_of
    from syncline_server.operate import keys

    async def rotate(engines: "Engines") -> "NewKey":
        overlap = arguments.overlap_hours * 3600
        return await keys.rotate(*registry_of(engines), arguments.project, arguments.key, overlap_seconds=overlap)

    _print_new(arguments, change(place_of(arguments), rotate))


def _rotate_checkpoint(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import by_command, change
    from syncline_server.operate import checkpoint_keys

    made = change(place_of(arguments), lambda engines: checkpoint_keys.rotate(engines, by_command()))
    print(f"Checkpoint key {made} is made: it signs after a minute, and tokens of those before it stay good.")


COMMANDS: Final = {
    "create": Command(
        about="Make one more key of a project and print it, this once.",
        examples=(
            "syncline key create notes --kind server --name billing --days 90",
            "syncline key create notes --kind client --json",
        ),
        add_options=_create_options,
        run=_create,
    ),
    "revoke": Command(
        about="End a key, and within 30 s the streams that it has opened.",
        examples=("syncline key revoke notes 3f0a9c1d2e4b",),
        add_options=_revoke_options,
        run=_revoke,
    ),
    "rotate": Command(
        about="Make a key like another one and print it, this once; the other one expires after an overlap.",
        examples=("syncline key rotate notes 3f0a9c1d2e4b", "syncline key rotate notes 3f0a9c1d2e4b --overlap-hours 0"),
        add_options=_rotate_options,
        run=_rotate,
    ),
    "rotate-checkpoint": Command(
        about="Make a new key for checkpoint tokens, of all projects: it signs after a minute.\n\n"
        "Tokens of the 15 keys before it stay good.",
        examples=("syncline key rotate-checkpoint",),
        add_options=add_place,
        run=_rotate_checkpoint,
    ),
    "list": Command(
        about="Print the keys of a project, oldest first: id, kind, name, age, state, and the last day of use.\n\n"
        "The id is the third part of a key; the rest of it is kept nowhere.",
        examples=("syncline key list notes", "syncline key list notes --json"),
        add_options=_list_options,
        run=_list,
    ),
}
