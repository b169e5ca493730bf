"""`syncline demo`: a link to the list in two windows."""

import argparse
from typing import TYPE_CHECKING, Final

from syncline_command.links import demo_link, site
from syncline_command.options import HTTP_ADDRESS, add_place, given_or_set, place_of
from syncline_command.parsing import Command, Parser

if TYPE_CHECKING:
    from syncline_server.store.engine import Engines

_PROJECT: Final = "default"
_USER: Final = "demo"
_KEY_NAME: Final = "demo"
_SECONDS: Final = 24 * 3600


def _add_options(parser: Parser) -> None:
    parser.option("--project", metavar="NAME", about="Project that keeps the list.", default=_PROJECT)
    parser.option("--user", metavar="ID", about="The user whose list it is.", default=_USER)
    parser.option("--url", metavar="URL", about="Where browsers reach the bridge; unset: on this machine.")
    parser.option(
        "--http-address",
        metavar="HOST:PORT",
        about="Where the bridge listens, in place of --url.",
        variable="SYNCLINE_HTTP_ADDRESS",
        default=HTTP_ADDRESS,
    )
    add_place(parser)


def _run(arguments: argparse.Namespace) -> None:
    from syncline_command.databases import change, registry_of
    from syncline_server.identity.projects import KeyKind
    from syncline_server.operate import keys, tokens

    project, user = arguments.project or _PROJECT, arguments.user or _USER

    async def made(engines: "Engines") -> tuple[str, str]:
        registry, catalogue = registry_of(engines)
        token = await tokens.issue(catalogue, project, user, ttl_seconds=_SECONDS)
        key = await keys.create(registry, catalogue, project, KeyKind.CLIENT, name=_KEY_NAME, ttl_seconds=_SECONDS)
        return key.text, token

    key, token = change(place_of(arguments), made)
    address = given_or_set(arguments.http_address, "SYNCLINE_HTTP_ADDRESS") or HTTP_ADDRESS
    print(demo_link((arguments.url or site(address, has_tls=False)).rstrip("/"), key, token))


COMMAND: Final = Command(
    about="Print a link to the demo, a list in two windows, which is good for a day.\n\n"
    "It makes a client key that expires with the link; the link is as secret as the key. Everybody who opens it "
    "works on the same list, that of one user.",
    examples=("syncline demo", "syncline demo --project notes --user ada --url https://sync.example.org"),
    add_options=_add_options,
    run=_run,
)
