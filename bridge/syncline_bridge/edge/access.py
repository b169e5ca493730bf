"""What happens to every request whatever it asks: an id, a log line, headers, and an answer even to a defect."""

import asyncio
import logging
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncline import words
from syncline_bridge.edge.clients import Clients
from syncline_bridge.edge.metrics import HttpMetrics
from syncline_bridge.failure import DEFECT, STOPPING, Failure
from syncline_bridge.logs import described

AnswerFailure = Callable[[str, Failure], Response]
"""Renders a failure in the dialect that the path belongs to."""

_KEEPING = b"cache-control"
_NOT_KEPT = (_KEEPING, b"no-store")
_NOT_GUESSED = (b"x-content-type-options", b"nosniff")
_OWN = frozenset({b"x-request-id", _NOT_GUESSED[0]})
_MAX_LOGGED_PATH = 200
_CLIENT_GONE = 499
_CLIENT_ERROR = 400
_SERVER_ERROR = 500


class Access:
    """Wrap the whole application, so that nothing is answered past it."""

    def __init__(
        self,
        app: ASGIApp,
        answer_failure: AnswerFailure,
        clients: Clients,
        metrics: HttpMetrics | None = None,
        quiet_paths: Sequence[str] = (),
        log_sample: float = 0.0,
    ) -> None:
        """Count in `metrics`; of requests that go well, log this share."""
        self._metrics = metrics
        self._log_sample = log_sample
        self._app = app
        self._answer_failure = answer_failure
        self._clients = clients
        self._quiet_paths = frozenset(quiet_paths)
        self._logger = structlog.get_logger(__name__).bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        state = scope.setdefault("state", {})
        exchange = _Exchange(send, _request_id(scope), time.perf_counter(), state)
        state["request_id"] = exchange.request_id
        if self._metrics is not None:
            self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, exchange.send)
        except asyncio.CancelledError:  # the grace is over; uvicorn would answer in plain text
            await self._last_words(STOPPING, scope, receive, exchange)
            raise
        except Exception as defect:
            _log_defect(defect, exchange.request_id)
            await self._last_words(DEFECT, scope, receive, exchange)
            if not exchange.complete:
                raise  # a torn answer: uvicorn has to close the connection
        finally:
            seconds = time.perf_counter() - exchange.started
            if self._metrics is not None:
                self._metrics.in_flight.dec()
                self._metrics.ended(scope["path"], exchange.status or _CLIENT_GONE, seconds)
            self._log(scope, exchange, seconds)

    async def _last_words(self, failure: Failure, scope: Scope, receive: Receive, exchange: "_Exchange") -> None:
        if exchange.status is None:
            await self._answer_failure(scope["path"], failure)(scope, receive, exchange.send)

    def _log(self, scope: Scope, exchange: "_Exchange", seconds: float) -> None:
        status = exchange.status or _CLIENT_GONE
        # At debug what went well, as the server does: a line costs a tenth of a request.
        quiet = status < _CLIENT_ERROR or (scope["path"] in self._quiet_paths and status < _SERVER_ERROR)
        level = logging.DEBUG if quiet else logging.WARNING if status >= _SERVER_ERROR else logging.INFO
        if quiet and self._log_sample and random.random() < self._log_sample:  # noqa: S311  # no secret hangs on it
            level = logging.INFO
        if not self._logger.is_enabled_for(level):
            return
        self._logger.log(
            level,
            "request",
            method=scope["method"],
            path=scope["path"][:_MAX_LOGGED_PATH],
            status=status,
            client=self._clients.address_of(scope),
            duration_ms=round(seconds * 1000, 1),
            request_id=exchange.request_id,
        )


@dataclass(slots=True)
class _Exchange:
    """Follow one answer on its way out."""

    _send: Send
    request_id: str
    started: float
    state: Mapping[str, Any]
    """What those below leave for the answer, whatever it will be: `shown_headers`."""
    status: int | None = None
    complete: bool = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            kept = [header for header in message["headers"] if header[0] not in _OWN]
            own = self._own_headers()
            if all(name != _KEEPING for name, _ in kept):  # files of the wheel say for themselves
                own.append(_NOT_KEPT)
            # Not changed where it is: what a layer below sends may be shared by all its answers.
            message = {**message, "headers": [*kept, *own]}
        elif message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)
        await self._send(message)

    def _own_headers(self) -> list[tuple[bytes, bytes]]:
        request_id = (b"x-request-id", self.request_id.encode())
        shown = self.state.get("shown_headers")
        if shown is None:
            return [request_id, _NOT_GUESSED]
        named = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in shown.items()]
        return [request_id, *named, _NOT_GUESSED]


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            sent: str = value.decode("latin-1")
            return sent if words.match_request_id(sent) else _new_id()
    return _new_id()


def _new_id() -> str:
    return os.urandom(16).hex()


def _log_defect(defect: Exception, request_id: str) -> None:
    structlog.get_logger(__name__).error("defect", request_id=request_id, **described(defect))
