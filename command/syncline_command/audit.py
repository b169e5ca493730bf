"""`syncline audit`: what operators did."""

import argparse
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from syncline_command.options import add_json, add_place, place_of
from syncline_command.parsing import Command, Parser, whole_number

if TYPE_CHECKING:
    from syncline_server.store.catalogue import Catalogue
    from syncline_server.store.inventory import RecordedAct

_DEFAULT_ACTS: Final = 50


def _options(parser: Parser) -> None:
    parser.option("--project", metavar="NAME", about="Only what concerned this project.")
    parser.add_argument(
        "--last",
        metavar="N",
        type=whole_number,
        default=_DEFAULT_ACTS,
        help="So many of the newest.  [default: %(default)d]",
    )
    add_json(parser, "Print one JSON object a line.")
    add_place(parser)


def _run(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import ask
    from syncline_server.store.looking import EngineCatalogue

    project, last = arguments.project or "", arguments.last
    for act in ask(place_of(arguments), lambda engines: _newest(EngineCatalogue(engines), project, last)):
        when = datetime.fromtimestamp(act.at_us / 1_000_000, UTC).isoformat()
        facts = {"at": when, "by": act.by, "act": act.act, "project": act.project, "subject": act.subject}
        print(json.dumps(facts) if arguments.json else "  ".join(fact for fact in facts.values() if fact))


async def _newest(looked_at: "Catalogue", project: str, count: int) -> list["RecordedAct"]:
    from syncline_server.operate import looking

    acts: list[RecordedAct] = []
    before = looking.NEWEST
    while len(acts) < count:
        size = min(count - len(acts), looking.MAX_PAGE_SIZE)
        page = await looking.audit(looked_at, project, before, size)
        acts += page
        if len(page) < size:
            break
        before = page[-1].at_us, page[-1].id
    return acts


COMMAND: Final = Command(
    about="Print what operators did, newest first.\n\nOf each act: when, who, what, and what it concerned.",
    examples=("syncline audit", "syncline audit --project notes --last 500", "syncline audit --json"),
    add_options=_options,
    run=_run,
)
