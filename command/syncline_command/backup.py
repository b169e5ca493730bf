"""`syncline backup`: a copy of a database, made while it is served."""

import argparse
import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

from syncline_command.options import Place, add_place, place_of
from syncline_command.parsing import Command, CommandFailed, Parser


def _options(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="A new file for the copy.")
    add_place(parser)


def _run(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import explained
    from syncline_command.progress import progress_of
    from syncline_server.operate import backups
    from syncline_server.store.database import database

    place = place_of(arguments)
    file: Path = arguments.file
    with explained(place), progress_of("Backing up") as report:
        asyncio.run(backups.back_up(database(place.database, place.data_dir), file, report))
    _note(place)
    print(f"Backed up to {file} ({file.stat().st_size / (1 << 20):.1f} MiB). It holds the keys of all projects.")


def _note(place: Place) -> None:
    """Let monitoring know when there was a backup last, if the database can take it down."""
    from syncline_command.databases import by_command, change
    from syncline_server.operate import backups

    with suppress(CommandFailed):
        change(place, lambda engines: backups.note_backup(engines, by_command()))


COMMAND: Final = Command(
    about="Make a copy of the database, of one moment, while servers go on.\n\n"
    "Of SQLite it is a database file, looked through before it gets its name; of PostgreSQL, a dump by pg_dump. "
    "`syncline restore` puts it back.",
    examples=(
        "syncline backup /backups/syncline-2026-11-26.db",
        "syncline backup /backups/syncline.dump --database postgresql://syncline@db/syncline",
    ),
    add_options=_options,
    run=_run,
)
