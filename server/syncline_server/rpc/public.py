"""What strangers may call: health (grpc.health.v1) and reflection, a few calls for each address and a few in all."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, Protocol

import grpc
from google.protobuf.message import DecodeError
from grpc import aio
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from syncline_server.identity.shares import Shares
from syncline_server.sync.errors import TooManyOpen

_EACH: Final = 16
_IN_ALL: Final = 64
_READ_SECONDS: Final = 10.0
_MOST_BYTES: Final = 4096
_STATUS = health_pb2.HealthCheckResponse


class HealthReport(Protocol):
    """What a server says of its own health."""

    async def look(self) -> None:
        """Find out what is not known yet, briefly."""

    def is_ready(self) -> bool:
        """Tell whether calls should come here."""

    def details(self) -> dict[str, str]:
        """Return what else there is to say, as metadata."""


class HealthService:
    """Says of which services calls should come here; one that lags is NOT_SERVING. Details are trailing metadata.

    The servicer that comes with gRPC holds a lock while it writes: one watcher that takes nothing stops all others.
    """

    def __init__(self, report: HealthReport) -> None:
        """Say what `report` says."""
        self._report = report
        self._served: dict[str, int] = {}
        self._changed = asyncio.Event()

    def serve(self, *services: str) -> None:
        """Say from now on that these are served."""
        self._set(dict.fromkeys(services, _STATUS.SERVING))

    def stop(self) -> None:
        """Say from now on that nothing is served."""
        self._set(dict.fromkeys(self._served, _STATUS.NOT_SERVING))

    async def check(self, request: health_pb2.HealthCheckRequest, context: Any) -> health_pb2.HealthCheckResponse:
        """Answer a health check."""
        await self._report.look()
        context.set_trailing_metadata(tuple(self._report.details().items()))
        if request.service not in self._served:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return _STATUS(status=self._status_of(request.service))

    async def watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:
        """Tell the health of a service, and again whenever it changes."""
        last = None
        while True:
            changed = self._changed
            status = self._served.get(request.service, _STATUS.SERVICE_UNKNOWN)
            if status != last:
                await context.write(_STATUS(status=status))
                last = status
            await changed.wait()

    def _status_of(self, service: str) -> Any:
        status = self._served[service]
        lags = service and status == _STATUS.SERVING and not self._report.is_ready()
        return _STATUS.NOT_SERVING if lags else status

    def _set(self, served: dict[str, int]) -> None:
        self._served = served
        self._changed.set()
        self._changed = asyncio.Event()


class PublicHandlers:
    """Bounds the calls of strangers, their number and their size."""

    def __init__(self, health_service: HealthService, *services: str) -> None:
        """Serve health, and reflection of these services, of health and of itself."""
        self._health = health_service
        names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        self._reflection: Any = reflection.aio.ReflectionServicer(names)
        self._checks = Shares("health checks", each=_EACH, in_all=_IN_ALL)
        self._streams = Shares("streams of strangers", each=_EACH, in_all=_IN_ALL)

    def add_to(self, server: aio.Server) -> None:
        """Serve."""
        encode = _STATUS.SerializeToString
        served: dict[str, Any] = {
            "Check": grpc.stream_unary_rpc_method_handler(self._check, response_serializer=encode),
            "Watch": grpc.stream_stream_rpc_method_handler(self._watch, response_serializer=encode),
        }
        reflected: dict[str, Any] = {
            "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
                self._reflect, response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString
            )
        }
        for name, handlers in ((health.SERVICE_NAME, served), (reflection.SERVICE_NAME, reflected)):
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))

    async def _check(self, _: Any, context: Any) -> Any:
        async with _Bounded(self._checks, context):
            return await self._health.check(await _health_request(context), context)

    async def _watch(self, _: Any, context: Any) -> None:
        async with _Bounded(self._streams, context):
            await self._health.watch(await _health_request(context), context)

    async def _reflect(self, _: Any, context: Any) -> None:
        async with _Bounded(self._streams, context):
            async for response in self._reflection.ServerReflectionInfo(_reflection_requests(context), context):
                await context.write(response)


class _Bounded:
    """A place for a call of a stranger, or its refusal."""

    def __init__(self, shares: Shares, context: Any) -> None:
        self._context = context
        self._place = shares.held(context.peer().rpartition(":")[0])

    async def __aenter__(self) -> None:
        try:
            self._place.__enter__()
        except TooManyOpen as error:
            await self._context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))

    async def __aexit__(self, *error: Any) -> None:
        self._place.__exit__(*error)


async def _health_request(context: Any) -> Any:
    request = await _small_message(context, health_pb2.HealthCheckRequest)
    if request is None:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The message is missing.")
    return request


async def _reflection_requests(context: Any) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    while (request := await _small_message(context, reflection_pb2.ServerReflectionRequest)) is not None:
        yield request


async def _small_message(context: Any, kind: Any) -> Any:
    """Read a message; None at the end. Aborts the call for any that is late, large or malformed."""
    try:
        async with asyncio.timeout(_READ_SECONDS):
            raw = await context.read()
    except TimeoutError:
        await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "The message did not come in time.")
    if raw is aio.EOF:
        return None
    if len(raw) > _MOST_BYTES:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"The message is larger than {_MOST_BYTES} bytes.")
    try:
        return kind.FromString(raw)
    except DecodeError:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The message is malformed.")
