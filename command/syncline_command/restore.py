"""`syncline restore`: a backup in the place of the database."""

import argparse
import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from syncline_command.options import add_place, place_of
from syncline_command.parsing import Command, Parser

if TYPE_CHECKING:
    from syncline_server.operate.backups import Restored

_US: Final = 1_000_000


def _options(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="A backup, made by `syncline backup`.")
    add_place(parser)


def _run(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import by_command, explained
    from syncline_command.progress import progress_of
    from syncline_server.operate import backups
    from syncline_server.store.database import database

    place = place_of(arguments)
    with explained(place), progress_of("Restoring") as report:
        where = database(place.database, place.data_dir)
        restored = asyncio.run(backups.restore(where, arguments.file, report, by_command()))
    print(f"Restored {arguments.file}; {_newest(restored)}")
    print(f"Epoch {restored.epoch} has begun: clients that have read what is not in it are told, and start over.")
    if restored.kept:
        print(restored.kept)


def _newest(restored: "Restored") -> str:
    if not restored.head_us:
        return "it has no changes."
    at = datetime.fromtimestamp(restored.head_us / _US, UTC)
    behind = max(0, int(time.time() - restored.head_us / _US))
    days, rest = divmod(behind, 86_400)
    hours, rest = divmod(rest, 3_600)
    spans = ((days, "d"), (hours, "h"), (rest // 60, "min"), (rest % 60, "s"))
    ago = " ".join(f"{count} {unit}" for count, unit in spans if count) or "0 s"
    return f"its newest change is of {at:%Y-%m-%d %H:%M:%S} UTC, {ago} ago."


COMMAND: Final = Command(
    about="Put a backup in the place of the database, while no server runs.\n\n"
    "Of SQLite the database that was there is kept beside it. Into PostgreSQL it goes by pg_restore, into a database "
    "that is empty. An epoch begins: clients that have read what the backup lacks are told, all others go on.",
    examples=(
        "syncline restore /backups/syncline-2026-11-26.db",
        "syncline restore /backups/syncline.dump --database postgresql://syncline@db/restored",
    ),
    add_options=_options,
    run=_run,
)
