"""What surrounds every handler: its errors become statuses, its calls are counted and logged under a request id."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

import grpc
import structlog
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc import aio
from prometheus_client import Gauge

from syncline import words
from syncline_server.rpc.metrics import Metrics
from syncline_server.rpc.status import internal_status, status_of
from syncline_server.rpc.undecodable import problem_of
from syncline_server.sync.errors import Overloaded, StoreUnavailable, SyncError

_SMALL_BYTES: Final = 64 * 1024
"""A request so small is always read."""

_log = structlog.get_logger()


class CallObserver:
    """Observes each call of our service, unary or stream, from its start to its end.

    It wraps the handlers; an interceptor of grpc.aio costs more than all that is done here.
    """

    def __init__(self, metrics: Metrics, has_room: Callable[[int], bool]) -> None:
        """Count in `metrics`; decode no large request of so many bytes that there is no room for."""
        self._metrics = metrics
        self._has_room = has_room
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def idle(self) -> None:
        """Wait until no call is running."""
        await self._idle.wait()

    def handlers(self, service: object, descriptor: ServiceDescriptor) -> dict[str, Any]:
        """Return the handlers of a service by the names of its methods, wrapped."""
        return {method.name: self._handler(method, getattr(service, method.name)) for method in descriptor.methods}

    def _handler(self, method: MethodDescriptor, behaviour: Any) -> Any:
        codecs: dict[str, Any] = {
            "request_deserializer": _tolerant(method.input_type, self._has_room),
            "response_serializer": _serialized,
        }
        if method.server_streaming:
            observed = self._observed(method.name, behaviour, self._metrics.streams)
            if method.client_streaming:
                return grpc.stream_stream_rpc_method_handler(observed, **codecs)
            return grpc.unary_stream_rpc_method_handler(observed, **codecs)
        return grpc.unary_unary_rpc_method_handler(self._observed(method.name, behaviour, None), **codecs)

    def _observed(self, method: str, behaviour: Any, open_calls: Gauge | None) -> Any:
        served = _Served(method, self._metrics, open_calls)

        # All in one frame: each that waits is a part of what an idle stream costs.
        async def observed(request: Any, context: Any) -> Any:
            call = _Call(served, context)
            self._begin()
            try:
                if isinstance(request, SyncError):
                    raise request
                response = await behaviour(request, context)
            except BaseException as error:
                await call.fail(error)
                raise
            finally:
                self._end()
            call.end("OK")
            return response

        return observed

    def _begin(self) -> None:
        self._running += 1
        self._idle.clear()

    def _end(self) -> None:
        self._running -= 1
        if not self._running:
            self._idle.set()


class _Served:
    """What the calls of one method have in common."""

    def __init__(self, method: str, metrics: Metrics, open_calls: Gauge | None) -> None:
        self.method = method
        self.open_calls = open_calls
        self.calls = metrics.calls
        self.calls_ok = metrics.calls.labels(method, "OK")
        self.seconds = metrics.call_seconds.labels(method)
        self.log = _log.bind(method=method)


class _Call:
    """One call, from its start to its end."""

    __slots__ = ("_context", "_made_id", "_served", "_started_at")

    def __init__(self, served: _Served, context: Any) -> None:
        self._served = served
        self._context = context
        self._made_id = ""
        self._started_at = time.perf_counter()
        if served.open_calls is not None:
            served.open_calls.inc()

    async def fail(self, error: BaseException) -> None:
        """End the call with the status of an error; does not return unless there is none to send."""
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self.end("CANCELLED")
            return
        if isinstance(error, aio.AbortError):
            self.end("ABORTED_BY_HANDLER")
            return
        if isinstance(error, SyncError):
            status = status_of(error)
            if isinstance(error, StoreUnavailable):
                self._served.log.warning(
                    "call could not be served", request_id=self._request_id(), error=str(error), cause=_cause(error)
                )
        else:
            request_id = self._request_id()
            status = internal_status(request_id)
            self._served.log.error("call failed", request_id=request_id, exc_info=error)
        self.end(status.code.name)
        await self._context.abort_with_status(status)

    def end(self, code: str) -> None:
        """Count and log the end of the handler; its status may wait for a peer that takes nothing."""
        served = self._served
        if served.open_calls is not None:
            served.open_calls.dec()
        seconds = time.perf_counter() - self._started_at
        (served.calls_ok if code == "OK" else served.calls.labels(served.method, code)).inc()
        served.seconds.observe(seconds)
        if served.log.is_enabled_for(logging.DEBUG):
            served.log.debug("call", request_id=self._request_id(), code=code, duration_ms=round(seconds * 1000, 2))

    def _request_id(self) -> str:
        """Return the id that the client sent, if it is a sane one, else a new one for the call."""
        given = dict(self._context.invocation_metadata() or ()).get("x-request-id", "")
        if isinstance(given, str) and words.match_request_id(given):
            return given
        self._made_id = self._made_id or uuid.uuid4().hex
        return self._made_id


def _tolerant(kind: Descriptor, has_room: Callable[[int], bool]) -> Callable[[bytes], Any]:
    """Let the error of what is no message through to the handler: raised here, gRPC takes it for a defect of ours."""
    deserializer = GetMessageClass(kind).FromString

    def decoded(raw: bytes) -> Any:
        if len(raw) > _SMALL_BYTES and not has_room(len(raw)):
            return Overloaded()
        try:
            return deserializer(raw)
        except DecodeError:
            return problem_of(raw, kind)

    return decoded


def _serialized(response: Message | bytes) -> bytes:
    return response if isinstance(response, bytes) else response.SerializeToString()


def _cause(error: BaseException) -> str:
    """Name what lies under an error, for the log alone."""
    return repr(error.__cause__) if error.__cause__ is not None else ""
