"""The gRPC server: its service, health, reflection, channel options, and how it ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from syncline import words
from syncline.v1 import sync_pb2
from syncline_server.rpc.metrics import Metrics
from syncline_server.rpc.observer import CallObserver
from syncline_server.rpc.service import SyncService

_DESCRIPTOR: Final = sync_pb2.DESCRIPTOR.services_by_name["SyncService"]
SERVICE: Final = _DESCRIPTOR.full_name
_PENDING_CALLS: Final = 16_384
_CLOSE_SECONDS: Final = 0.5


class AddressInUse(Exception):
    """The server could not listen on its address."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the gRPC server listens and ends."""

    address: str
    """HOST:PORT; port 0 takes a free one."""
    max_message_bytes: int
    """The largest request."""
    reuse_port: bool
    """Let several processes share the port."""
    drain_seconds: float
    """How long calls may take to finish when the server ends."""


class HealthReport(Protocol):
    """What a server says of its own health."""

    async def look(self) -> None:
        """Find out what is not known yet, briefly."""

    def is_ready(self) -> bool:
        """Tell whether calls should come here."""

    def details(self) -> dict[str, str]:
        """Return what else there is to say, as metadata."""


class HealthService(HealthServicer):
    """grpc.health.v1; a server that serves but lags says NOT_SERVING. Details are in the trailing metadata."""

    def __init__(self, report: HealthReport) -> None:
        """Say what `report` says."""
        super().__init__()
        self._report = report

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> Any:  # noqa: N802  # the contract's name
        """Answer a health check."""
        await self._report.look()
        context.set_trailing_metadata(tuple(self._report.details().items()))
        if request.service == SERVICE and not self._report.is_ready():
            return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.NOT_SERVING)
        return await super().Check(request, context)


@asynccontextmanager
async def serving(
    service: SyncService,
    metrics: Metrics,
    health_service: HealthService,
    options: ServerOptions,
    *,
    has_room: Callable[[int], bool],
    on_drain: Callable[[], None],
) -> AsyncIterator[int]:
    """Serve for the time of the block; yields the bound port. Raises AddressInUse.

    A large request is refused before it is decoded where `has_room` says that there is no room for its bytes.

    At the end: health says NOT_SERVING, `on_drain` ends the streams, and calls get the drain time to finish.
    """
    observer = CallObserver(metrics, has_room)
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
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ],
    )
    handlers = observer.handlers(service, _DESCRIPTOR)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    health_pb2_grpc.add_HealthServicer_to_server(health_service, server)
    reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    try:
        port = server.add_insecure_port(options.address)
    except RuntimeError:
        raise AddressInUse(options.address) from None
    await server.start()
    await health_service.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
    await health_service.set("", health_pb2.HealthCheckResponse.SERVING)
    try:
        yield port
    finally:
        await health_service.enter_graceful_shutdown()
        # Streams are ended first: they would otherwise take all of the drain time.
        on_drain()
        await asyncio.shield(_stop(server, observer, options.drain_seconds))


async def _stop(server: aio.Server, observer: CallObserver, drain_seconds: float) -> None:
    """Let calls finish, then close the connections.

    grpc.aio's own grace also waits for peers that have vanished without a word, to its end.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(drain_seconds):
            await observer.idle()
    await server.stop(_CLOSE_SECONDS)
