"""What surrounds every handler: its errors become statuses, its calls are counted and logged under a request id."""

import asyncio
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any, Final

import grpc
import structlog
from grpc import aio
from prometheus_client import Gauge

from syncline_server.rpc.metrics import Metrics
from syncline_server.rpc.status import internal_status, status_of
from syncline_server.sync.errors import StoreUnavailable, SyncError

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._\-]{1,64}", re.ASCII)

_log = structlog.get_logger()

Handler = Any
"""A grpc.RpcMethodHandler, which is generic in its stubs alone."""


class CallObserver(aio.ServerInterceptor):
    """Observes each call of our service, unary or stream, from its start to its end."""

    def __init__(self, service: str, metrics: Metrics) -> None:
        """Observe the calls of `service`; others (health, reflection) pass."""
        self._prefix = f"/{service}/"
        self._metrics = metrics
        self._handlers: dict[str, Handler] = {}
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def idle(self) -> None:
        """Wait until no call is running."""
        await self._idle.wait()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the handler of a call, wrapped; each is wrapped once."""
        method = handler_call_details.method
        wrapped = self._handlers.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None or not method.startswith(self._prefix):
                return handler
            wrapped = self._handlers[method] = self._wrap(method.removeprefix(self._prefix), handler)
        return wrapped

    def _wrap(self, method: str, handler: Handler) -> Handler:
        codecs = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.response_streaming:
            observed = self._observed(method, handler.unary_stream, self._metrics.streams)
            return grpc.unary_stream_rpc_method_handler(observed, **codecs)
        return grpc.unary_unary_rpc_method_handler(self._observed(method, handler.unary_unary, None), **codecs)

    def _observed(self, method: str, behaviour: Any, open_calls: Gauge | None) -> Any:
        async def observed(request: Any, context: Any) -> Any:
            call = _Call(method, context, self._metrics)
            self._began()
            try:
                with open_calls.track_inprogress() if open_calls else nullcontext():
                    response = await behaviour(request, context)
            except BaseException as error:
                await call.failed(error)
                raise
            finally:
                self._ended()
            call.ended("OK")
            return response

        return observed

    def _began(self) -> None:
        self._running += 1
        self._idle.clear()

    def _ended(self) -> None:
        self._running -= 1
        if not self._running:
            self._idle.set()


class _Call:
    """One call, from its start to its end."""

    def __init__(self, method: str, context: Any, metrics: Metrics) -> None:
        self._method = method
        self._context = context
        self._metrics = metrics
        self._started_at = time.perf_counter()

    async def failed(self, error: BaseException) -> None:
        """End the call with the status of an error; does not return unless there is none to send."""
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self.ended("CANCELLED")
            return
        if isinstance(error, aio.AbortError):
            self.ended("ABORTED_BY_HANDLER")
            return
        if isinstance(error, SyncError):
            status = status_of(error)
            if isinstance(error, StoreUnavailable):
                _log.warning("call could not be served", **self._facts(), error=str(error), cause=_cause(error))
        else:
            request_id = self._request_id()
            status = internal_status(request_id)
            _log.error("call failed", **self._facts(), exc_info=error)
        self.ended(status.code.name)
        await self._context.abort_with_status(status)

    def ended(self, code: str) -> None:
        """Count and log the end of the call."""
        seconds = time.perf_counter() - self._started_at
        self._metrics.calls.labels(self._method, code).inc()
        self._metrics.call_seconds.labels(self._method).observe(seconds)
        if _log.is_enabled_for(10):
            _log.debug("call", **self._facts(), code=code, duration_ms=round(seconds * 1000, 2))

    def _facts(self) -> dict[str, str]:
        return {"method": self._method, "request_id": self._request_id()}

    def _request_id(self) -> str:
        """Return the id that the client sent, if it is a sane one, else a new one for the call."""
        given = dict(self._context.invocation_metadata() or ()).get("x-request-id", "")
        if isinstance(given, str) and _REQUEST_ID.fullmatch(given):
            return given
        if not hasattr(self, "_made_id"):
            self._made_id = uuid.uuid4().hex
        return self._made_id


def _cause(error: BaseException) -> str:
    """Name what lies under an error, for the log alone."""
    return repr(error.__cause__) if error.__cause__ is not None else ""
