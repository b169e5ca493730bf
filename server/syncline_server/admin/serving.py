"""The listeners of the AdminService: a Unix socket for its owner, and TCP with operators' keys when asked."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import structlog
from grpc import aio

from syncline.certificates import Certificates
from syncline.refusals import Refusals
from syncline.v1 import admin_pb2
from syncline_server.admin.access import Gate, KeyGate, SocketGate, told
from syncline_server.admin.calls import Tools
from syncline_server.admin.data import DataCalls
from syncline_server.admin.deployment import DeploymentCalls
from syncline_server.admin.projects import ProjectCalls
from syncline_server.rpc.incoming import Incoming
from syncline_server.rpc.metrics import Metrics
from syncline_server.rpc.observer import CallObserver
from syncline_server.rpc.peers import Peers
from syncline_server.rpc.public import HealthService, PublicHandlers
from syncline_server.rpc.server import AddressInUse
from syncline_server.rpc.tls import server_credentials

_DESCRIPTOR: Final = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]
_SOCKET: Final = "admin.sock"
_LOCK: Final = "admin.lock"
_MAX_PATH_BYTES: Final = 107
"""The operating system takes no longer name of a socket."""
_MAX_REQUEST_BYTES: Final = 64 * 1024
_MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
_MAX_CONNECTIONS: Final = 64
_HANDSHAKE_MS: Final = 10_000
_CLOSE_SECONDS: Final = 0.5

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AdminOptions:
    """Where the AdminService listens."""

    folder: Path | None
    """Of the socket; None: there is none."""
    address: str | None
    """HOST:PORT; None: not by TCP."""
    certificates: Certificates | None
    """To listen with by TCP; None: in the clear."""


class AdminService(ProjectCalls, DeploymentCalls, DataCalls):
    """`syncline.v1.AdminService`."""


@asynccontextmanager
async def administered(
    tools: Tools,
    metrics: Metrics,
    health: HealthService,
    refusals: Refusals,
    peers: Peers,
    options: AdminOptions,
) -> AsyncIterator[str | None]:
    """Serve for the time of the block; yields HOST:PORT as bound. Raises AddressInUse and CertificateInvalid."""
    async with AsyncExitStack() as stack:
        if options.folder is not None:
            is_sole = stack.enter_context(_sole(options.folder))
            if is_sole and (path := _socket_path(options.folder)) is not None:
                await stack.enter_async_context(_listening(tools, metrics, health, SocketGate(), _at_socket(path)))
        bound = None
        if options.address is not None:
            gate = KeyGate(tools.desk.operators(""), refusals, peers)
            at = _at_address(options.address, options.certificates)
            port = await stack.enter_async_context(_listening(tools, metrics, health, gate, at))
            bound = f"{options.address.rpartition(':')[0]}:{port}"
            _log.info("serving operators", address=bound)
        yield bound


@asynccontextmanager
async def _listening(
    tools: Tools, metrics: Metrics, health: HealthService, gate: Gate, listen: Any
) -> AsyncIterator[int]:
    observer = CallObserver(metrics, Incoming(gate.admit, lambda _: True, {}), lambda _: None, told)
    server = aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", _MAX_REQUEST_BYTES),
            ("grpc.max_send_message_length", _MAX_ANSWER_BYTES),
            ("grpc.max_metadata_size", 16 * 1024),
            ("grpc.absolute_max_metadata_size", 32 * 1024),
            ("grpc.max_allowed_incoming_connections", _MAX_CONNECTIONS),
            ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        ]
    )
    handlers = observer.handlers(AdminService(tools, gate), _DESCRIPTOR)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_DESCRIPTOR.full_name, handlers),))
    PublicHandlers(health, _DESCRIPTOR.full_name).add_to(server)
    port = listen(server)
    await server.start()
    health.serve(_DESCRIPTOR.full_name, "")
    try:
        yield port
    finally:
        await asyncio.shield(server.stop(_CLOSE_SECONDS))


def socket_in(folder: Path) -> Path:
    """Return where the socket is in its folder."""
    return folder / _SOCKET


def _socket_path(folder: Path) -> Path | None:
    path = socket_in(folder).absolute()
    if len(os.fsencode(path)) > _MAX_PATH_BYTES:
        _log.warning("no socket for operators: its path is too long; set SYNCLINE_RUNTIME_DIR", path=str(path))
        return None
    return path


def _at_socket(path: Path) -> Any:
    def listen(server: aio.Server) -> int:
        # Whoever may write to the file may call; the mask of the process would let others.
        mask = os.umask(0o177)
        try:
            return server.add_insecure_port(f"unix:{path}")
        except RuntimeError:
            raise AddressInUse(str(path)) from None
        finally:
            os.umask(mask)

    return listen


def _at_address(address: str, certificates: Certificates | None) -> Any:
    def listen(server: aio.Server) -> int:
        try:
            if certificates is not None:
                return server.add_secure_port(address, server_credentials(certificates))
            return server.add_insecure_port(address)
        except RuntimeError:
            raise AddressInUse(address) from None

    return listen


@contextmanager
def _sole(folder: Path) -> Iterator[bool]:
    """Make the folder; yields whether this process may have its socket there, which one alone can."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
