"""How the bridge calls the server: its channels, a deadline on every call, the caller's credentials as metadata."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2

from syncline import words
from syncline.relay.v1 import relay_pb2, relay_pb2_grpc
from syncline.v1 import sync_pb2, sync_pb2_grpc
from syncline_bridge.caller import Caller
from syncline_bridge.failure import RefusedError
from syncline_bridge.relay.calls import NotTakenError
from syncline_bridge.relay.credentials import RelayedCallers
from syncline_bridge.relay.grpc_stream import GrpcStream
from syncline_bridge.relay.relay import KeptStream, Relay
from syncline_bridge.relay.socket_stream import SocketStream
from syncline_bridge.status import failure_of

_SERVICE = "syncline.v1.SyncService"
_CHECK_SECONDS = 3.0
_DETAIL_PREFIX = "x-syncline-"

# A connection of their own, or open streams would keep other calls waiting.
_STREAM_OPTIONS = (*words.CHANNEL_OPTIONS, words.OWN_CONNECTION)


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """A call of SyncService with one request and one response."""

    name: str
    relayed: int
    """Its number among those that are relayed."""


PUSH: Final = Method("Push", relay_pb2.METHOD_PUSH)
PULL: Final = Method("Pull", relay_pb2.METHOD_PULL)
GET: Final = Method("Get", relay_pb2.METHOD_GET)
CREATE_TICKET: Final = Method("CreateTicket", relay_pb2.METHOD_CREATE_TICKET)


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the server says of itself."""

    serving: bool
    details: Mapping[str, str]


class Upstream:
    """Call the sync service; every error comes out as a RefusedError."""

    def __init__(
        self,
        channel: aio.Channel,
        stream_channel: aio.Channel,
        relay: Relay,
        push_deadline_seconds: float,
        pull_deadline_seconds: float,
        ready_deadline_seconds: float,
    ) -> None:
        # Bytes in, bytes out: without a serializer, gRPC leaves them alone.
        self._unary: Mapping[Method, aio.UnaryUnaryMultiCallable[bytes, bytes]] = {
            method: channel.unary_unary(f"/{_SERVICE}/{method.name}") for method in (PUSH, PULL, GET, CREATE_TICKET)
        }
        self._deadline_seconds = dict.fromkeys(self._unary, pull_deadline_seconds) | {PUSH: push_deadline_seconds}
        self._check_caller = relay_pb2_grpc.RelayServiceStub(channel).CheckCaller
        self._relay = relay
        self._relayed_callers = RelayedCallers()
        self._streams = sync_pb2_grpc.SyncServiceStub(stream_channel)
        self._check: aio.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse] = (
            channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
        )
        self._ready_deadline_seconds = ready_deadline_seconds

    async def check_caller(self, caller: Caller) -> None:
        """Raise RefusedError unless the caller's credentials are good."""
        request = relay_pb2.CheckCallerRequest()
        try:
            await self._check_caller(request, timeout=_CHECK_SECONDS, metadata=caller.metadata())
        except aio.AioRpcError as error:
            raise RefusedError(failure_of(error)) from error

    async def call(self, method: Method, request: bytes, caller: Caller) -> bytes:
        """Call a method and return its response; both are serialized. Raises RefusedError.

        The request names its user itself: `caller.user_id`, where the message has that field.
        """
        credentials = self._relayed_callers.bytes_of(caller)
        calls = self._relay.calls_for(request, credentials) if credentials is not None else None
        if calls is None or credentials is None:
            return await self._call_alone(method, request, caller)
        try:
            seconds = self._deadline_seconds[method]
            return await calls.call(method.relayed, request, credentials, caller.request_id, seconds)
        except NotTakenError:
            return await self._call_alone(method, request, caller)

    async def push(self, request: sync_pb2.PushRequest, caller: Caller) -> sync_pb2.PushResponse:
        """Push a batch."""
        request.user_id = caller.user_id
        return sync_pb2.PushResponse.FromString(await self.call(PUSH, request.SerializeToString(), caller))

    async def pull(self, request: sync_pb2.PullRequest, caller: Caller) -> sync_pb2.PullResponse:
        """Pull a page."""
        request.user_id = caller.user_id
        return sync_pb2.PullResponse.FromString(await self.call(PULL, request.SerializeToString(), caller))

    async def get(self, request: sync_pb2.GetRequest, caller: Caller) -> sync_pb2.GetResponse:
        """Read entities by their ids."""
        request.user_id = caller.user_id
        return sync_pb2.GetResponse.FromString(await self.call(GET, request.SerializeToString(), caller))

    async def create_ticket(self, caller: Caller, entity_types: Sequence[str] = ()) -> sync_pb2.CreateTicketResponse:
        """Make a ticket for streams of these types; none: of all that the caller may read."""
        request = sync_pb2.CreateTicketRequest(entity_types=entity_types).SerializeToString()
        return sync_pb2.CreateTicketResponse.FromString(await self.call(CREATE_TICKET, request, caller))

    async def stream(
        self, request: sync_pb2.StreamPullRequest, caller: Caller
    ) -> AsyncGenerator[sync_pb2.StreamPullResponse, None]:
        """Stream a log; it has no deadline, as it has no end."""
        request.user_id = caller.user_id
        call = self._streams.StreamPull(request, metadata=caller.metadata())
        try:
            async for message in call:
                yield message
        except aio.AioRpcError as error:
            raise RefusedError(failure_of(error)) from error
        finally:
            call.cancel()

    async def readiness(self) -> Readiness:
        """Ask the server whether it serves; not being reached is an answer too."""
        call = self._check(health_pb2.HealthCheckRequest(service=_SERVICE), timeout=self._ready_deadline_seconds)
        try:
            serving = (await call).status == health_pb2.HealthCheckResponse.SERVING
        except aio.AioRpcError as error:
            trailing: Any = error.trailing_metadata()  # pairs; the stub packages for gRPC disagree
            return Readiness(False, _shown(trailing))
        return Readiness(serving, _shown(await call.trailing_metadata()))

    async def _call_alone(self, method: Method, request: bytes, caller: Caller) -> bytes:
        try:
            return await self._unary[method](
                request, timeout=self._deadline_seconds[method], metadata=caller.metadata()
            )
        except aio.AioRpcError as error:
            raise RefusedError(failure_of(error)) from error


@asynccontextmanager
async def open_upstream(
    grpc_target: str,
    tls: grpc.ChannelCredentials | None,
    relay_streams: int,
    relay_socket: Path | None,
    push_deadline_seconds: float,
    pull_deadline_seconds: float,
    ready_deadline_seconds: float,
) -> AsyncIterator[Upstream]:
    """Open the channels for as long as the context lasts; each connects by itself, when first used and again later.

    None as `tls`: in the clear. Calls are relayed by so many streams, each on a connection of its own; 0: by none. They
    go to a socket of this machine where there is one, without gRPC.
    """
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(_channel(grpc_target, tls, words.CHANNEL_OPTIONS))
        stream_channel = await stack.enter_async_context(_channel(grpc_target, tls, _STREAM_OPTIONS))
        streams: list[KeptStream] = []
        for _ in range(relay_streams):
            if relay_socket is not None:
                streams.append(SocketStream(relay_socket))
            else:
                streams.append(GrpcStream(await stack.enter_async_context(_channel(grpc_target, tls, _STREAM_OPTIONS))))
        relay = Relay(streams)
        await stack.enter_async_context(relay.kept_up())
        yield Upstream(
            channel, stream_channel, relay, push_deadline_seconds, pull_deadline_seconds, ready_deadline_seconds
        )


def _channel(target: str, tls: grpc.ChannelCredentials | None, options: Sequence[tuple[str, Any]]) -> aio.Channel:
    if tls is None:
        return aio.insecure_channel(target, options=options)
    return aio.secure_channel(target, tls, options=options)


def _shown(metadata: Iterable[tuple[str, str | bytes]] | None) -> dict[str, str]:
    return {key: str(value) for key, value in metadata or () if key.startswith(_DETAIL_PREFIX)}
