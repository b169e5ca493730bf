"""`syncline lag`: how far behind devices are."""

import argparse
import json
import time
from typing import TYPE_CHECKING, Final

from syncline_command.options import add_json, add_place, place_of
from syncline_command.parsing import Command, Parser, whole_number

if TYPE_CHECKING:
    from syncline_server.store.catalogue import Catalogue
    from syncline_server.store.inventory import ListedDevice

_DEFAULT_DEVICES: Final = 50
_US: Final = 1_000_000


def _options(parser: Parser) -> None:
    parser.add_argument("project", help="Name of the project.")
    parser.add_argument(
        "--most",
        metavar="N",
        type=whole_number,
        default=_DEFAULT_DEVICES,
        help="So many of those that are farthest behind.  [default: %(default)d]",
    )
    add_json(parser, "Print one JSON object a line.")
    add_place(parser)


def _run(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import ask
    from syncline_server.store.looking import EngineCatalogue

    now = time.time()
    devices = ask(place_of(arguments), lambda engines: _all_of(EngineCatalogue(engines), arguments.project))
    lags = sorted(((_lag(device, now), device) for device in devices), key=lambda one: -one[0])
    for seconds, device in lags[: arguments.most]:
        facts = {
            "lag_seconds": round(seconds, 1),
            "user": device.user_id,
            "device": device.session_key,
            "entity_type": device.entity_type,
            "revision": device.revision,
        }
        print(json.dumps(facts) if arguments.json else _line(facts))
    behind = sum(seconds > 0 for seconds, _ in lags)
    if not arguments.json:
        print(f"{behind} of {len(lags)} positions are behind.")


async def _all_of(looked_at: "Catalogue", project: str) -> list["ListedDevice"]:
    from syncline_server.operate import looking

    found: list[ListedDevice] = []
    after = ("", "", "")
    while True:
        page = await looking.devices(looked_at, project, after, looking.MAX_PAGE_SIZE)
        found += page
        if len(page) < looking.MAX_PAGE_SIZE:
            return found
        after = page[-1].user_id, page[-1].session_key, page[-1].entity_type


def _lag(device: "ListedDevice", now: float) -> float:
    return 0.0 if device.unread_revision is None else max(now - device.unread_revision / _US, 0.0)


def _line(facts: dict[str, object]) -> str:
    of_type = f" of {facts['entity_type']}" if facts["entity_type"] else ""
    return f"{facts['lag_seconds']:>10} s  {facts['user']}  {facts['device']}{of_type}"


COMMAND: Final = Command(
    about="Print how far behind the devices of a project are, the farthest first.\n\n"
    "That is the age of the first change that a device has not shown to have read; what it has itself written since "
    "counts, until its next pull. A device is known by a digest: its own id is kept nowhere.",
    examples=("syncline lag notes", "syncline lag notes --most 500 --json"),
    add_options=_options,
    run=_run,
)
