"""`syncline migrate`: the schema of a database."""

import argparse
import sys
from typing import TYPE_CHECKING, Final

from syncline_command.options import add_place, place_of
from syncline_command.parsing import Command, CommandMisused, Parser

if TYPE_CHECKING:
    from syncline_server.store.engine import Engines
    from syncline_server.store.phases import MigrationStatus


def _options(parser: Parser) -> None:
    parser.flag("--status", about="Say how far it has come, and change nothing.")
    parser.flag("--finish", about="Run the last phase: no server of a version before may be alive, no row be left.")
    add_place(parser)


def _run(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import ask, change
    from syncline_server.operate import migration
    from syncline_server.store.opening import opened_engines

    if arguments.status and arguments.finish:
        raise CommandMisused("--status and --finish exclude each other")
    place = place_of(arguments)
    if arguments.status:
        found = ask(place, migration.status)
    elif arguments.finish:
        found = change(place, migration.finish)
    else:
        found = change(place, _migrate, opened_engines)
    print(_said(found))


async def _migrate(engines: "Engines") -> "MigrationStatus":
    from syncline_server.operate import migration

    return await migration.migrate(engines, _report)


def _report(done: int, rows: int) -> None:
    print(f"{done} of {rows} entities are migrated", file=sys.stderr)


def _said(found: "MigrationStatus") -> str:
    schema = f"The schema is at {found.schema}"
    if found.finished:
        return f"{schema}."
    waits_for = found.waits_for
    return f"{schema}, not finished: {waits_for or 'run `syncline migrate --finish`'}."


COMMAND: Final = Command(
    about="Bring a database's schema up to date.\n\n"
    "A server does so for SQLite by itself. On PostgreSQL it goes by phases, beside servers of the version before: "
    "`syncline migrate`, then new servers in place of the old ones, which see to what is stored, then "
    "`syncline migrate --finish`.",
    examples=(
        "syncline migrate --database postgresql://syncline@db/syncline",
        "syncline migrate --status",
        "syncline migrate --finish",
    ),
    add_options=_options,
    run=_run,
)
