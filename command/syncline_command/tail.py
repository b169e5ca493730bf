"""`syncline tail`: the log of a server, read as any client reads it."""

import argparse
from typing import Final

from syncline_command.options import (
    add_api_key,
    add_grpc_address,
    add_grpc_tls,
    add_secret,
    api_key_of,
    grpc_address_of,
    grpc_tls_of,
    secret_of,
)
from syncline_command.parsing import Command, CommandMisused, Parser


def _add_options(parser: Parser) -> None:
    add_api_key(parser, "A project key.")
    add_secret(parser, "token", "TOKEN", "A session token.")
    parser.option("--user", metavar="ID", about="One user, with a server key.")
    parser.flag("--all-users", about="The whole project, with a server key.")
    parser.add_argument(
        "--entity-type", metavar="TYPE", action="append", default=[], help="Only this type; may be repeated."
    )
    parser.add_argument("--from", dest="start", metavar="WHERE", help="A checkpoint token, an RFC 3339 time, or end.")
    parser.flag("-f", "--follow", about="Go on live.")
    add_grpc_address(parser)
    add_grpc_tls(parser)


def _run(arguments: argparse.Namespace) -> None:
    import asyncio

    from syncline_command.log_lines import Tail, print_tail

    asyncio.run(
        print_tail(
            Tail(
                grpc_address=grpc_address_of(arguments),
                tls=grpc_tls_of(arguments),
                api_key=api_key_of(arguments),
                token=_token_of(arguments),
                all_users=arguments.all_users,
                user=arguments.user,
                entity_types=arguments.entity_type,
                start=arguments.start,
                follow=arguments.follow,
            )
        )
    )


def _token_of(arguments: argparse.Namespace) -> str | None:
    token = secret_of(arguments, "token")
    if token is None and arguments.user is None and not arguments.all_users:
        raise CommandMisused("say whose log: --token with a client key, --user or --all-users with a server key")
    return token


COMMAND: Final = Command(
    about="Print the log, one JSON object a line.\n\n"
    "The last line of each batch carries the token to go on from, by --from.",
    examples=(
        "SYNCLINE_API_KEY=$SERVER_KEY syncline tail --all-users --follow",
        "syncline tail --api-key-file client.key --token-file session.jwt --entity-type todo",
        "syncline tail --api-key-file server.key --all-users --from 2026-11-21T08:00:00Z",
    ),
    add_options=_add_options,
    run=_run,
)
