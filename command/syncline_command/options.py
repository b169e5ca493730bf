"""Options of commands that run nothing of their own: where what they ask or change is, and with which key."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from syncline_command.parsing import CommandMisused, Parser

DATA_DIR: Final = "syncline-data"
GRPC_ADDRESS: Final = "127.0.0.1:50051"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a database is to be found."""

    database: str | None
    """Its URL; None: it is in the data folder."""
    data_dir: Path


def add_place(parser: Parser) -> None:
    """Add the options that say which database it is."""
    parser.option(
        "--data-dir",
        metavar="DIR",
        about="Folder of the SQLite database.",
        variable="SYNCLINE_DATA_DIR",
        default=DATA_DIR,
    )
    parser.option(
        "--database",
        metavar="URL",
        about="Database URL, `postgresql://…` or `sqlite:///path`, in place of the folder.",
        variable="SYNCLINE_DATABASE",
    )


def place_of(arguments: argparse.Namespace) -> Place:
    """Return which database it is: by option, else by the environment."""
    database = given_or_set(arguments.database, "SYNCLINE_DATABASE")
    return Place(database, Path(given_or_set(arguments.data_dir, "SYNCLINE_DATA_DIR") or DATA_DIR))


def add_grpc_address(parser: Parser) -> None:
    """Add the option that says which server it is."""
    parser.option(
        "--grpc-address",
        metavar="HOST:PORT",
        about="Where the server listens for gRPC.",
        variable="SYNCLINE_GRPC_ADDRESS",
        default=GRPC_ADDRESS,
    )


def grpc_address_of(arguments: argparse.Namespace) -> str:
    """Return which server it is: by option, else by the environment."""
    return given_or_set(arguments.grpc_address, "SYNCLINE_GRPC_ADDRESS") or GRPC_ADDRESS


def add_api_key(parser: Parser, about: str) -> None:
    """Add the option of a key that cannot be done without."""
    parser.option("--api-key", metavar="KEY", about=about, variable="SYNCLINE_API_KEY")


def api_key_of(arguments: argparse.Namespace) -> str:
    """Return the key: by option, else by the environment. Raises CommandMisused."""
    key = given_or_set(arguments.api_key, "SYNCLINE_API_KEY")
    if key is None:
        raise CommandMisused("--api-key is needed, or SYNCLINE_API_KEY")
    return key


def given_or_set(given: str | None, variable: str) -> str | None:
    """Return an option's value, else that of a variable; None: neither, or an empty variable."""
    return given if given is not None else os.environ.get(variable) or None


def add_json(parser: Parser, about: str) -> None:
    """Add the option for output that programs read."""
    parser.flag("--json", about=about)
