"""How commands ask a running server what it alone knows: at its socket on this machine, or elsewhere with a key."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from syncline.words import is_loopback, split_address
from syncline_command.options import add_grpc_tls, add_secret, given_or_set, grpc_tls_of, place_of, secret_of
from syncline_command.parsing import CommandFailed, CommandMisused, Parser

_SECONDS: Final = 10.0
_SQLITE: Final = "sqlite:///"


def add_server(parser: Parser) -> None:
    """Add the options that say which server it is; those of the database say it, too."""
    parser.option(
        "--runtime-dir",
        metavar="DIR",
        about="Folder of the server's socket; that of the SQLite database, if it is not given.",
        variable="SYNCLINE_RUNTIME_DIR",
    )
    parser.option(
        "--admin-address",
        metavar="HOST:PORT",
        about="A server elsewhere, that listens for operators there.",
        variable="SYNCLINE_ADMIN_ADDRESS",
    )
    add_secret(parser, "operator-key", "KEY", "An operator's key, for a server elsewhere.")
    add_grpc_tls(parser)


@contextmanager
def asked_server(arguments: argparse.Namespace) -> Iterator[Any | None]:
    """Yield what asks the server: its methods take a request each. None: there is no server alive on this machine.

    Raises CommandFailed and CommandMisused.
    """
    import grpc

    from syncline.v1 import admin_pb2_grpc

    address, metadata = _target(arguments)
    if address is None:
        yield None
        return
    with _channel(arguments, address) as channel:
        stub = admin_pb2_grpc.AdminServiceStub(channel)
        try:
            yield _Asking(stub, metadata)
        except grpc.RpcError as error:
            raise CommandFailed(f"{address.removeprefix('unix:')}: {_sentence(error)}") from error


class _Asking:
    """Calls methods with the credentials and a deadline."""

    def __init__(self, stub: Any, metadata: tuple[tuple[str, str], ...]) -> None:
        self._stub = stub
        self._metadata = metadata

    def __getattr__(self, method: str) -> Any:
        return lambda request: getattr(self._stub, method)(request, metadata=self._metadata, timeout=_SECONDS)


def _target(arguments: argparse.Namespace) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """Return where to ask, and with what; None: no server is alive here."""
    address, key = arguments.admin_address, secret_of(arguments, "operator_key")
    if address is None and key is not None:
        address = os.environ.get("SYNCLINE_ADMIN_ADDRESS")  # of a server on this machine it is a setting
    if address is not None:
        if key is None:
            raise CommandMisused("a server elsewhere wants --operator-key, --operator-key-file or their variables")
        if grpc_tls_of(arguments) is None and not is_loopback(split_address(address)[0]):
            raise CommandMisused("--admin-address: the key would go out in the clear; give --grpc-tls-ca")
        return address, (("authorization", f"Bearer {key}"),)
    folder = _runtime_dir(arguments)
    socket = None if folder is None else (folder / "admin.sock").absolute()
    return (f"unix:{socket}" if socket is not None and _is_alive(socket) else None), ()


def _runtime_dir(arguments: argparse.Namespace) -> Path | None:
    given = given_or_set(arguments.runtime_dir, "SYNCLINE_RUNTIME_DIR")
    if given is not None:
        return Path(given)
    place = place_of(arguments)
    if place.database is None:
        return place.data_dir
    is_file = place.database.startswith(_SQLITE)
    return Path(place.database.removeprefix(_SQLITE)).parent if is_file else None


def _is_alive(path: Path) -> bool:
    """Tell whether somebody listens at a socket; one that was left behind is not."""
    import socket

    with socket.socket(socket.AF_UNIX) as tried:
        try:
            tried.connect(str(path))
        except OSError:
            return False
    return True


def _channel(arguments: argparse.Namespace, address: str) -> Any:
    import grpc

    from syncline.channel_tls import channel_credentials

    tls = None if address.startswith("unix:") else grpc_tls_of(arguments)
    return grpc.insecure_channel(address) if tls is None else grpc.secure_channel(address, channel_credentials(tls))


def _sentence(error: Any) -> str:
    from grpc import StatusCode

    if error.code() is StatusCode.UNAVAILABLE:
        return "the server cannot be reached"
    if error.code() is StatusCode.DEADLINE_EXCEEDED:
        return f"the server did not answer within {_SECONDS:.0f} s"
    return str(error.details())
