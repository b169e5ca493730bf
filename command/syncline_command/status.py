"""`syncline status`: how a deployment does."""

import argparse
import json
from typing import TYPE_CHECKING, Any, Final

from syncline_command.asking import add_server, asked_server
from syncline_command.options import add_json, add_place, place_of
from syncline_command.parsing import Command, Parser

if TYPE_CHECKING:
    from syncline_server.operate.desk import Standing


def _options(parser: Parser) -> None:
    add_json(parser, "Print one JSON object.")
    add_server(parser)
    add_place(parser)


def _run(arguments: argparse.Namespace) -> int:
    from syncline.v1 import admin_pb2

    with asked_server(arguments) as server:
        if server is None:
            facts = _of_database(arguments)
        else:
            facts = _of_server(server.GetStatus(admin_pb2.GetStatusRequest()))
    if arguments.json:
        print(json.dumps(facts))
    else:
        for name, value in facts.items():
            print(f"{name.replace('_', ' '):<17} {_shown(value)}")
    return 0 if facts["ready"] is not False else 1


def _of_database(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the database knows, where no server of it is alive on this machine."""
    from syncline_command.databases import ask
    from syncline_server.operate import desk

    found: Standing = ask(place_of(arguments), desk.standing)
    return {
        "server": "none on this machine",
        "ready": None,
        "database": found.database,
        "schema": found.schema,
        "projects": found.projects,
        "epoch": found.epoch_number,
        "servers": found.servers,
    }


def _of_server(found: Any) -> dict[str, Any]:
    commits = {
        f"commit_{name}_ms": getattr(found, f"commit_{name}").ToMicroseconds() / 1000
        for name in ("median", "p99")
        if found.HasField(f"commit_{name}")
    }
    return {
        "server": found.version,
        "ready": found.ready,
        "database": found.database,
        "schema": found.schema,
        "projects": found.projects,
        "epoch": found.epoch_number,
        "servers": found.servers,
        "started_at": found.start_time.ToJsonString(),
        "streams": found.streams,
        "waiting_pushes": found.waiting_pushes,
        **commits,
        **{name.removeprefix("x-syncline-").replace("-", "_"): value for name, value in sorted(found.health.items())},
    }


def _shown(value: Any) -> str:
    return {None: "-", True: "yes", False: "no"}[value] if value is None or isinstance(value, bool) else str(value)


COMMAND: Final = Command(
    about="Say how a deployment does; exit code 1 if it is not ready.\n\n"
    "A server that is alive on this machine is asked at its socket, one elsewhere by --admin-address; without any, the "
    "database tells what it knows.",
    examples=(
        "syncline status",
        "syncline status --json",
        "syncline status --admin-address sync.internal:50052 --operator-key-file key --grpc-tls-ca ca.crt",
    ),
    add_options=_options,
    run=_run,
)
