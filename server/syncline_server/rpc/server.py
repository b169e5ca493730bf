"""The gRPC server: its service, health, reflection, channel options, and how it ends."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from grpc import aio

from syncline import words
from syncline.certificates import Certificates
from syncline.relay.v1 import relay_pb2
from syncline.v1 import sync_pb2
from syncline_server.rpc.connections import Connections
from syncline_server.rpc.incoming import Incoming
from syncline_server.rpc.metrics import Metrics
from syncline_server.rpc.observer import CallObserver
from syncline_server.rpc.public import HealthService, PublicHandlers
from syncline_server.rpc.relay.calls import Served
from syncline_server.rpc.relay.credentials import RelayedCredentials
from syncline_server.rpc.relay.pushes import RelayedPushes
from syncline_server.rpc.relay.service import RelayService, relay_request
from syncline_server.rpc.relay.socket import listening
from syncline_server.rpc.relay.stream import StreamLimits
from syncline_server.rpc.service import SyncService
from syncline_server.rpc.tls import server_credentials

_DESCRIPTOR: Final = sync_pb2.DESCRIPTOR.services_by_name["SyncService"]
_RELAY: Final = relay_pb2.DESCRIPTOR.services_by_name["RelayService"]
_STREAM: Final = "Relay"
_RELAYED: Final = {
    relay_pb2.METHOD_PUSH: "Push",
    relay_pb2.METHOD_PULL: "Pull",
    relay_pb2.METHOD_GET: "Get",
    relay_pb2.METHOD_CREATE_TICKET: "CreateTicket",
}
SERVICE: Final = _DESCRIPTOR.full_name
_PENDING_CALLS: Final = 16_384
_CLOSE_SECONDS: Final = 0.5
_HANDSHAKE_MS: Final = 10_000
_IDLE_MS: Final = 300_000


class AddressInUse(Exception):
    """The server could not listen on its address."""


@dataclass(frozen=True, slots=True)
class LocalSockets:
    """Files to listen at, in the clear, for processes of this machine: who may enter their folder may call."""

    grpc: Path | None = None
    """For gRPC."""
    relay: Path | None = None
    """For calls that a bridge relays, without gRPC."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the gRPC server listens and ends."""

    address: str
    """HOST:PORT; port 0 takes a free one."""
    max_message_bytes: int
    """The largest request."""
    reuse_port: bool
    """Let several processes share the port."""
    slow_reader_seconds: float
    """How long the reader of a stream may take nothing before it is cut."""
    drain_seconds: float
    """How long calls may take to finish when the server ends."""
    max_connections: int
    """How many connections may be open at once; more are closed as they come."""
    certificates: Certificates | None
    """To listen with; None: in the clear."""
    log_sample: float
    """Share of the calls that go well of which a line is logged, 0 to 1."""
    sockets: LocalSockets
    """Where to listen besides."""


@asynccontextmanager
async def serving(
    service: SyncService,
    metrics: Metrics,
    health_service: HealthService,
    incoming: Incoming,
    connections: Connections,
    options: ServerOptions,
    *,
    on_drain: Callable[[], None],
) -> AsyncIterator[int]:
    """Serve for the time of the block; yields the bound port. Raises AddressInUse and CertificateInvalid.

    At the end: health says NOT_SERVING, `on_drain` ends the streams, and calls get the drain time to finish.
    """
    observer = CallObserver(metrics, incoming, connections.end, log_sample=options.log_sample)
    server = aio.server(
        options=[
            # By default two servers may bind one port, and each gets half of the calls.
            ("grpc.so_reuseport", int(options.reuse_port)),
            ("grpc.max_receive_message_length", options.max_message_bytes),
            ("grpc.max_send_message_length", words.MAX_ANSWER_BYTES),
            ("grpc.max_concurrent_streams", 4096),
            # By default core cancels some of the calls that wait once there are over 1,000, as after a restart.
            ("grpc.server.max_pending_requests", _PENDING_CALLS),
            ("grpc.server.max_pending_requests_hard_limit", _PENDING_CALLS),
            # Between 8 and 16 KiB the default refuses metadata at random.
            ("grpc.max_metadata_size", 16 * 1024),
            ("grpc.absolute_max_metadata_size", 32 * 1024),
            # Descriptors are left for the database; idle and unfinished connections end. How many an address may have,
            # gRPC has no option for: see Connections.
            ("grpc.max_allowed_incoming_connections", options.max_connections),
            ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
            ("grpc.max_connection_idle_ms", _IDLE_MS),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ],
    )
    handlers = observer.handlers(service, _DESCRIPTOR)
    relay = _relay(service, handlers, incoming, observer, options)
    relay_handlers = observer.handlers(relay, _RELAY, without=_STREAM)
    relay_handlers[_STREAM] = observer.carrier(_STREAM, relay.Relay, relay_request)
    for descriptor, each in ((_DESCRIPTOR, handlers), (_RELAY, relay_handlers)):
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(descriptor.full_name, each),))
    PublicHandlers(health_service, SERVICE).add_to(server)
    port = _listen(server, options)
    await server.start()
    connections.listen_on(port)
    health_service.serve(SERVICE, "")
    making_room = asyncio.create_task(connections.keep_making_room(), name="connections")
    async with listening(relay, options.sockets.relay):
        try:
            yield port
        finally:
            making_room.cancel()
            health_service.stop()
            # Streams are ended first: they would otherwise take all of the drain time.
            on_drain()
            relay.drain()
            await asyncio.shield(_stop(server, observer, options.drain_seconds))


def _relay(
    service: SyncService,
    handlers: Mapping[str, Any],
    incoming: Incoming,
    observer: CallObserver,
    options: ServerOptions,
) -> RelayService:
    served = Served(
        {number: handlers[name] for number, name in _RELAYED.items()},
        RelayedPushes(service.pushes, incoming, observer),
        RelayedCredentials(service.authenticator),
    )
    return RelayService(served, StreamLimits(options.max_message_bytes, options.slow_reader_seconds))


def _listen(server: aio.Server, options: ServerOptions) -> int:
    """Listen; returns the port. Raises AddressInUse and CertificateInvalid."""
    credentials = server_credentials(options.certificates) if options.certificates is not None else None
    try:
        if options.sockets.grpc is not None:
            server.add_insecure_port(f"unix:{options.sockets.grpc}")
        if credentials is not None:
            return int(server.add_secure_port(options.address, credentials))
        return int(server.add_insecure_port(options.address))
    except RuntimeError:
        raise AddressInUse(options.address) from None


async def _stop(server: aio.Server, observer: CallObserver, drain_seconds: float) -> None:
    """Let calls finish, then close the connections.

    grpc.aio's own grace also waits for peers that have vanished without a word, to its end.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(drain_seconds):
            await observer.idle()
    await server.stop(_CLOSE_SECONDS)
