"""What surrounds every handler: its errors become statuses, its calls are counted and logged under a request id."""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from grpc import aio
from prometheus_client import Gauge

from syncline import words
from syncline_server.rpc.ends import count_failure, reason_of
from syncline_server.rpc.incoming import Incoming
from syncline_server.rpc.metrics import Metrics
from syncline_server.rpc.server_time import server_time
from syncline_server.rpc.status import forget_frames, internal_status, status_of
from syncline_server.sync.errors import StoreUnavailable, SyncError

_TELL_SECONDS: Final = 5.0
"""How long a peer may take nothing until its connection is ended, with all that waits in it."""

_log = structlog.get_logger()


class CallObserver:
    """Observes each call of our service, unary or stream, from its start to its end.

    It wraps the handlers; an interceptor of grpc.aio costs more than all that is done here.
    """

    def __init__(
        self,
        metrics: Metrics,
        incoming: Incoming,
        end_connection: Callable[[str], None],
        told: Callable[[BaseException], grpc.Status | None] = lambda _: None,
        log_sample: float = 0.0,
    ) -> None:
        """Count in `metrics`, read requests with `incoming`; `end_connection` ends that of a peer.

        `told` returns the statuses of errors that this service has beside those of the rules. Of calls that go well,
        this share is logged.
        """
        self._told = told
        self._log_sample = log_sample
        self._metrics = metrics
        self._incoming = incoming
        self._end_connection = end_connection
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def idle(self) -> None:
        """Wait until no call is running."""
        await self._idle.wait()

    def handlers(self, service: object, descriptor: ServiceDescriptor, without: str = "") -> dict[str, Any]:
        """Return the handlers of a service by the names of its methods, wrapped; `without` names one to leave out."""
        return {
            method.name: self._handler(method, getattr(service, method.name))
            for method in descriptor.methods
            if method.name != without
        }

    def carrier(self, name: str, behaviour: Any, decode: Callable[[bytes], Any]) -> Any:
        """Return the handler of a stream that carries calls, which are observed each for itself.

        Nobody is asked who opens it, and nobody waits for its end: `idle` is when none of its calls is running.
        """
        served = self.served(name)

        async def carrying(_: Any, context: Any) -> None:
            call = ObservedCall(served, context)
            try:
                await behaviour(None, context)
            except BaseException as error:
                await call.fail(error)
                raise
            call.end("OK")

        return grpc.stream_stream_rpc_method_handler(
            carrying, request_deserializer=decode, response_serializer=_serialized
        )

    def served(self, name: str, open_calls: Gauge | None = None) -> "Served":
        """Return what the calls of a method have in common; `open_calls` counts those that are open."""
        return Served(name, self._metrics, open_calls, self._end_connection, self._told, self._log_sample)

    def _handler(self, method: MethodDescriptor, behaviour: Any) -> Any:
        open_calls = self._metrics.streams if method.server_streaming else None
        served = self.served(method.name, open_calls)
        codecs: dict[str, Any] = {"response_serializer": _serialized}
        if method.client_streaming:
            codecs["request_deserializer"] = self._incoming.decoder(method.input_type)
            observed = self._observed(served, self._incoming.admit, behaviour)
        else:
            observed = self._observed(served, self._incoming.reader(method.input_type), behaviour)
        if method.server_streaming:
            return grpc.stream_stream_rpc_method_handler(observed, **codecs)
        return grpc.stream_unary_rpc_method_handler(observed, **codecs)

    def _observed(self, served: "Served", begin: Callable[[Any], Awaitable[Any]], behaviour: Any) -> Any:
        # All in one frame: each that waits is a part of what an idle stream costs.
        async def observed(_: Any, context: Any) -> Any:
            call = ObservedCall(served, context)
            self.begin()
            try:
                response = await behaviour(await begin(context), context)
            except BaseException as error:
                await call.fail(error)
                raise
            finally:
                self.end()
            context.set_trailing_metadata(server_time())
            call.end("OK")
            return response

        return observed

    def begin(self) -> None:
        """Say that a call begins."""
        self._running += 1
        self._idle.clear()

    def end(self) -> None:
        """Say that it is over."""
        self._running -= 1
        if not self._running:
            self._idle.set()


class Served:
    """What the calls of one method have in common."""

    def __init__(
        self,
        method: str,
        metrics: Metrics,
        open_calls: Gauge | None,
        end_connection: Callable[[str], None],
        told: Callable[[BaseException], grpc.Status | None],
        log_sample: float,
    ) -> None:
        self.told = told
        self.log_sample = log_sample
        self.metrics = metrics
        self.streams_ended = metrics.streams_ended
        self.method = method
        self.end_connection = end_connection
        self.open_calls = open_calls
        self.calls = metrics.calls
        self.calls_ok = metrics.calls.labels(method, "OK")
        self.seconds = metrics.call_seconds.labels(method)
        self.log = _log.bind(method=method)


class ObservedCall:
    """One call, from its start to its end."""

    __slots__ = ("_context", "_made_id", "_served", "_started_at")

    def __init__(self, served: Served, context: Any) -> None:
        self._served = served
        self._context = context
        self._made_id = ""
        self._started_at = time.perf_counter()
        if served.open_calls is not None:
            served.open_calls.inc()

    async def fail(self, error: BaseException) -> None:
        """End the call with the status of an error; does not return unless there is none to send."""
        status = self.failed(error)
        if status is None:
            return
        try:
            async with asyncio.timeout(_TELL_SECONDS):
                await self._context.abort_with_status(status)
        except TimeoutError:
            # gRPC keeps a call, and all that waits in it, for as long as its peer takes nothing.
            self._served.log.warning("peer takes nothing: its connection is ended", request_id=self._request_id())
            self._served.end_connection(self._context.peer())
            raise asyncio.CancelledError from None

    def failed(self, error: BaseException) -> grpc.Status | None:
        """Count and log the end of the handler by an error; returns its status, None where there is none to send."""
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self.end("CANCELLED")
            return None
        if isinstance(error, aio.AbortError):
            self.end("ABORTED_BY_HANDLER")
            return None
        if (told := self._served.told(error)) is not None:
            status = told
        elif isinstance(error, SyncError):
            status = status_of(error)
            if isinstance(error, StoreUnavailable):
                self._served.log.warning(
                    "call could not be served", request_id=self._request_id(), error=str(error), cause=_cause(error)
                )
        else:
            request_id = self._request_id()
            status = internal_status(request_id)
            self._served.log.error("call failed", request_id=request_id, exc_info=error)
        count_failure(self._served.metrics, error)
        self.end(status.code.name, reason_of(error, status.code.name))
        forget_frames(error)
        return status

    def end(self, code: str, reason: str = "") -> None:
        """Count and log the end of the handler; its status may wait for a peer that takes nothing."""
        served = self._served
        if served.open_calls is not None:
            served.open_calls.dec()
            served.streams_ended.labels(reason or code).inc()
        seconds = time.perf_counter() - self._started_at
        (served.calls_ok if code == "OK" else served.calls.labels(served.method, code)).inc()
        served.seconds.observe(seconds)
        is_shown = served.log_sample and random.random() < served.log_sample  # noqa: S311  # no secret hangs on it
        if is_shown or served.log.is_enabled_for(logging.DEBUG):
            line = {"request_id": self._request_id(), "code": code, "duration_ms": round(seconds * 1000, 2)}
            served.log.log(logging.INFO if is_shown else logging.DEBUG, "call", **line)

    def _request_id(self) -> str:
        """Return the id that the client sent, if it is a sane one, else a new one for the call."""
        given = dict(self._context.invocation_metadata() or ()).get("x-request-id", "")
        if isinstance(given, str) and words.match_request_id(given):
            return given
        self._made_id = self._made_id or uuid.uuid4().hex
        return self._made_id


def _serialized(response: Message | bytes) -> bytes:
    return response if isinstance(response, bytes) else response.SerializeToString()


def _cause(error: BaseException) -> str:
    """Name what lies under an error, for the log alone."""
    return repr(error.__cause__) if error.__cause__ is not None else ""
