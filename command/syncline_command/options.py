"""Options of commands that run nothing of their own: where what they ask or change is, and with which key."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from syncline_command.parsing import CommandMisused, Parser

if TYPE_CHECKING:
    from syncline.certificates import ClientTls

DATA_DIR: Final = "syncline-data"
GRPC_ADDRESS: Final = "127.0.0.1:50051"
HTTP_ADDRESS: Final = "127.0.0.1:8080"
_TLS: Final = {
    "ca": "PEM file of the authorities of the server's certificate; without it, the server is spoken to in the clear.",
    "certificate": "PEM file of the certificate to show to the server, if it asks for one.",
    "key": "PEM file of its key.",
}


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


def add_grpc_tls(parser: Parser) -> None:
    """Add the options that say how to speak TLS to the server."""
    for name, about in _TLS.items():
        parser.option(f"--grpc-tls-{name}", metavar="FILE", about=about, variable=f"SYNCLINE_GRPC_TLS_{name.upper()}")


def grpc_tls_of(arguments: argparse.Namespace) -> "ClientTls | None":
    """Return how to speak TLS to the server: by option, else by the environment; None: in the clear.

    Raises CommandMisused.
    """
    from syncline.certificates import CertificateInvalid, client_tls

    given = [given_or_set(getattr(arguments, f"grpc_tls_{name}"), f"SYNCLINE_GRPC_TLS_{name.upper()}") for name in _TLS]
    authorities, certificate, key = (Path(path) if path else None for path in given)
    try:
        return client_tls(authorities, certificate, key, "grpc_tls")
    except CertificateInvalid as error:
        raise CommandMisused(str(error)) from None


def add_api_key(parser: Parser, about: str) -> None:
    """Add the options of a key that cannot be done without."""
    add_secret(parser, "api-key", "KEY", about)


def api_key_of(arguments: argparse.Namespace) -> str:
    """Return the key; see secret_of. Raises CommandMisused."""
    key = secret_of(arguments, "api_key")
    if key is None:
        raise CommandMisused("a key is needed: SYNCLINE_API_KEY, --api-key-file or --api-key")
    return key


def add_secret(parser: Parser, name: str, metavar: str, about: str) -> None:
    """Add the options of what is secret: other accounts of the machine see what is on a command line."""
    variable = f"SYNCLINE_{name.upper().replace('-', '_')}"
    parser.option(
        f"--{name}", metavar=metavar, about=f"{about} Others see it in the list of processes.", variable=variable
    )
    about_file = f"A file whose first line is what --{name} would be."
    parser.option(f"--{name}-file", metavar="FILE", about=about_file, variable=f"{variable}_FILE")


def secret_of(arguments: argparse.Namespace, name: str) -> str | None:
    """Return what is secret, by option, else by the environment, each as a file, too; None: by none of them.

    Raises CommandMisused.
    """
    variable = f"SYNCLINE_{name.upper()}"
    return (
        getattr(arguments, name)
        or _first_line(getattr(arguments, f"{name}_file"))
        or os.environ.get(variable)
        or _first_line(os.environ.get(f"{variable}_FILE"))
        or None
    )


def _first_line(file: str | None) -> str | None:
    if not file:
        return None
    try:
        text = Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandMisused(f"cannot read {file}: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    return text.partition("\n")[0].strip()


def given_or_set(given: str | None, variable: str) -> str | None:
    """Return an option's value, else that of a variable; None: neither, or an empty variable."""
    return given if given is not None else os.environ.get(variable) or None


def add_json(parser: Parser, about: str) -> None:
    """Add the option for output that programs read."""
    parser.flag("--json", about=about)
