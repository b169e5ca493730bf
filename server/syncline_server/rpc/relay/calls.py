"""The calls of one stream between a bridge and this server: taken, served by the handlers, answered once done."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from google.rpc import status_pb2
from grpc import StatusCode, aio

from syncline import words
from syncline.relay.v1 import relay_pb2
from syncline_server.rpc.relay.context import RelayedContext
from syncline_server.rpc.relay.credentials import RelayedCredentials
from syncline_server.rpc.relay.pushes import RelayedPushes
from syncline_server.rpc.status import rich_status_of
from syncline_server.sync.errors import RequestInvalid

MAX_CALLS: Final = 128
"""Of a message: each takes the event loop some 30 µs before it waits."""
MAX_CANCELLED: Final = 1024
_MAX_UNANSWERED: Final = 1024
_MAX_READY_BYTES: Final = 8 * 1024 * 1024
"""A stream is read no further while so much of it is unanswered, or its answers have not left."""
_MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""Of answers; a single one may be larger."""
_MAX_ANSWER_BYTES: Final = words.MAX_ANSWER_BYTES - 1024
"""What a message of its own can carry."""
_log = logging.getLogger(__name__)

_PUSH: Final = relay_pb2.METHOD_PUSH


@dataclass(frozen=True, slots=True)
class Served:
    """What serves the calls of all streams."""

    handlers: Mapping[int, Any]
    """By Method: the gRPC handlers that serve the same calls alone, with all that surrounds them."""
    pushes: RelayedPushes
    credentials: RelayedCredentials


class RelayedCalls:
    """Those of one stream."""

    def __init__(
        self, served: Served, peer: str, *, on_news: Callable[[], None], on_let_in: Callable[[], None]
    ) -> None:
        """Call `on_news` whenever an answer is ready, and `on_let_in` when the first caller was let in."""
        self._served = served
        self._peer = peer
        self._on_news = on_news
        self._on_let_in: Callable[[], None] | None = on_let_in  # until it was called
        self._running: dict[int, asyncio.Future[Any]] = {}
        self._ready: list[tuple[int, bytes, bytes]] = []
        """Ids with their responses or statuses."""
        self._ready_bytes = 0
        self._is_draining = self._is_drain_told = False

    @property
    def is_answered(self) -> bool:
        """Whether there is nothing left to say."""
        return not (self._running or self._ready)

    @property
    def ready(self) -> int:
        """How many answers wait to be sent."""
        return len(self._ready)

    @property
    def has_room(self) -> bool:
        """Whether more may be taken."""
        return len(self._running) + len(self._ready) < _MAX_UNANSWERED and self._ready_bytes < _MAX_READY_BYTES

    def take(self, message: relay_pb2.RelayRequest) -> None:
        """Begin the calls of a message. Raises RequestInvalid where it breaks the contract with the bridge."""
        if len(message.calls) > MAX_CALLS:
            raise RequestInvalid("calls", f"must be at most {MAX_CALLS}", limit=MAX_CALLS)
        if len(message.cancelled) > MAX_CANCELLED:
            raise RequestInvalid("cancelled", f"must be at most {MAX_CANCELLED}", limit=MAX_CANCELLED)
        for call in message.calls:
            if call.id in self._running:
                raise RequestInvalid("calls", f"names call {call.id} twice")
            self._begin(call)
        for number in message.cancelled:
            if (running := self._running.get(number)) is not None:
                running.cancel()

    def drain(self) -> None:
        """Tell the bridge to send no more."""
        self._is_draining = True
        self._on_news()

    def next_message(self) -> relay_pb2.RelayResponse | None:
        """Take what is ready, as a message; None: there is nothing to tell."""
        if not self._ready and self._is_drain_told == self._is_draining:
            return None
        self._is_drain_told = self._is_draining
        message = relay_pb2.RelayResponse(draining=self._is_draining)
        add, size, taken = message.answers.add, 0, 0
        for number, response, status in self._ready:
            if taken and size + len(response) > _MAX_MESSAGE_BYTES:
                break
            if status:
                add(id=number, status=status)
            else:
                add(id=number, response=response)
            size += len(response) + len(status)
            taken += 1
        del self._ready[:taken]
        self._ready_bytes -= size
        return message

    def cancel(self) -> None:
        """Cancel what runs: nobody waits for it any more."""
        for running in list(self._running.values()):
            running.cancel()

    def _begin(self, call: relay_pb2.Call) -> None:
        number = call.id
        handler = self._served.handlers.get(call.method)
        if handler is None:
            self._answer(number, b"", _bare(StatusCode.UNIMPLEMENTED))
            return
        try:
            credentials = self._served.credentials.read(call.credentials)
        except RequestInvalid as error:
            self._answer(number, b"", rich_status_of(error).SerializeToString())
            return
        context = RelayedContext(credentials, call.request, call.request_id, self._peer)
        if call.method == _PUSH and (caller := self._served.credentials.known(credentials)) is not None:
            begun = self._served.pushes.begin(call.request, caller, context, partial(self._end, number))
            if isinstance(begun, bytes):
                self._answer(number, b"", begun)
                return
            if begun is not None:
                self._running[number] = begun
                self._let_in()
                return
        task = self._running[number] = asyncio.create_task(_served_alone(handler, context), name="relayed call")
        task.add_done_callback(partial(self._end_task, call.credentials, context, number))

    def _end_task(
        self, credentials: bytes, context: RelayedContext, number: int, task: "asyncio.Task[bytes | None]"
    ) -> None:
        if self._served.credentials.remember(credentials, context.credentials):
            self._let_in()
        if task.cancelled():
            self._end(number, None, b"")
        elif (error := task.exception()) is not None:
            _log.error("a relayed call failed outside of its handler", exc_info=error)
            self._end(number, None, _bare(StatusCode.INTERNAL))
        else:
            self._end(number, task.result(), context.status)

    def _let_in(self) -> None:
        if self._on_let_in is not None:
            self._on_let_in()
            self._on_let_in = None

    def _end(self, number: int, response: bytes | None, status: bytes) -> None:
        del self._running[number]
        if response is not None or status:
            self._answer(number, response or b"", status)
        else:
            self._on_news()  # it was cancelled; there is more room

    def _answer(self, number: int, response: bytes, status: bytes) -> None:
        if len(response) > _MAX_ANSWER_BYTES:
            response, status = b"", _bare(StatusCode.RESOURCE_EXHAUSTED)
        self._ready.append((number, response, status))
        self._ready_bytes += len(response) + len(status)
        self._on_news()


async def _served_alone(handler: Any, context: RelayedContext) -> bytes | None:
    """Serve a call as if it had come alone; None: it has failed, and the context has its status."""
    try:
        response: bytes = handler.response_serializer(await handler.stream_unary(None, context))
    except aio.AbortError:
        return None
    return response


def _bare(code: StatusCode) -> bytes:
    """Return a status as gRPC itself would give it, without a reason of the contract."""
    serialized: bytes = status_pb2.Status(code=code.value[0]).SerializeToString()
    return serialized
