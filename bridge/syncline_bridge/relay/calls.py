"""The calls of one stream to the server: sent folded into messages, answered in any order, given up when late."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError
from google.rpc import status_pb2
from grpc import StatusCode

from syncline.failed_call import FailedCall, failed_status
from syncline.relay.v1 import relay_pb2
from syncline_bridge.failure import RefusedError
from syncline_bridge.status import failure_of_call

MAX_CALL_BYTES: Final = 64 * 1024
"""A larger call goes alone: it would keep the others waiting, and what it costs is its size."""
_MAX_MESSAGE_BYTES: Final = 512 * 1024
_MAX_MESSAGE_CALLS: Final = 128
_MAX_MESSAGE_CANCELLED: Final = 1024
_CALL_BYTES: Final = 128
"""More than what a call takes in a message beside its request and its credentials."""
_LOST: Final = FailedCall(StatusCode.UNAVAILABLE)
_LATE: Final = FailedCall(StatusCode.DEADLINE_EXCEEDED)


class NotTakenError(Exception):
    """Nothing has become of a call: it may be made in another way."""


class RelayedCall(NamedTuple):
    """A call as it is sent."""

    number: int
    method: int
    request: bytes
    credentials: bytes
    request_id: str


class _Waiting(NamedTuple):
    answer: "asyncio.Future[bytes]"
    deadline: float


class StreamCalls:
    """Those of one stream, from its beginning to its end; the next stream has others."""

    def __init__(self, on_news: Callable[[], None]) -> None:
        """Call `on_news` whenever there is something to send."""
        self._on_news = on_news
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._waiting: dict[int, _Waiting] = {}
        self._unsent: list[RelayedCall] = []
        self._cancelled: list[int] = []
        self._max_message_bytes = self._max_call_bytes = 0
        """Nothing can be sent before the server has said how much it takes, nor after it has said that it goes away."""
        self.is_draining = False
        """Whether it has."""

    def takes(self, request: bytes, credentials: bytes) -> bool:
        """Tell whether a call may be made here."""
        return len(request) + len(credentials) + _CALL_BYTES <= self._max_call_bytes

    @property
    def running(self) -> int:
        """How many calls have no answer yet."""
        return len(self._waiting)

    @property
    def unsent(self) -> int:
        """How many of them are still here."""
        return len(self._unsent)

    async def call(self, method: int, request: bytes, credentials: bytes, request_id: str, seconds: float) -> bytes:
        """Make a call and return its response, serialized; only while there is room for it.

        Raises RefusedError, after so many seconds at the latest, and NotTakenError.
        """
        self._number = number = self._number + 1
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting[number] = _Waiting(answer, self._loop.time() + seconds)
        self._unsent.append(RelayedCall(number, method, request, credentials, request_id))
        self._on_news()
        try:
            return await answer
        except asyncio.CancelledError:
            self._cancel([number])
            raise

    def next_message(self) -> relay_pb2.RelayRequest | None:
        """Take what is there to send, as a message; None: nothing."""
        if not (self._unsent or self._cancelled):
            return None
        message = relay_pb2.RelayRequest(cancelled=self._cancelled[:_MAX_MESSAGE_CANCELLED])
        del self._cancelled[:_MAX_MESSAGE_CANCELLED]
        add, size, taken = message.calls.add, 0, 0
        for number, method, request, credentials, request_id in self._unsent[:_MAX_MESSAGE_CALLS]:
            size += len(request) + len(credentials) + _CALL_BYTES
            if taken and size > self._max_message_bytes:
                break
            add(id=number, method=method, request=request, credentials=credentials, request_id=request_id)
            taken += 1
        del self._unsent[:taken]
        return message

    def take(self, message: relay_pb2.RelayResponse) -> None:
        """Give the answers in a message to those who wait for them."""
        if message.max_request_bytes:
            self._max_message_bytes = min(message.max_request_bytes, _MAX_MESSAGE_BYTES)
            self._max_call_bytes = min(message.max_request_bytes, MAX_CALL_BYTES)
        if message.draining:
            self.is_draining = True
            self._max_call_bytes = 0
            self._give_back()
        for answer in message.answers:
            waiting = self._waiting.pop(answer.id, None)
            if waiting is None or waiting.answer.done():
                continue
            if answer.HasField("status"):
                waiting.answer.set_exception(_error_of(answer.status))
            else:
                waiting.answer.set_result(answer.response)

    def give_up_late(self) -> None:
        """End calls that are past their deadlines, here and in the server."""
        now = self._loop.time()
        late = [number for number, waiting in self._waiting.items() if waiting.deadline <= now]
        for number in late:
            _fail(self._waiting[number].answer, RefusedError(failure_of_call(_LATE)))
        self._cancel(late)

    def lose(self) -> None:
        """End all calls: the stream is broken, and what has become of those that were sent is not known."""
        self._max_call_bytes = 0
        self._give_back()
        for waiting in self._waiting.values():
            _fail(waiting.answer, RefusedError(failure_of_call(_LOST)))
        self._waiting.clear()

    def _give_back(self) -> None:
        """End calls that have not been sent."""
        for call in self._unsent:
            if (waiting := self._waiting.pop(call.number, None)) is not None:
                _fail(waiting.answer, NotTakenError())
        self._unsent.clear()

    def _cancel(self, numbers: Iterable[int]) -> None:
        """Tell the server of calls that nobody waits for."""
        cancelled = [number for number in numbers if self._waiting.pop(number, None) is not None]
        if cancelled:
            self._cancelled += cancelled
            self._on_news()


def _fail(answer: "asyncio.Future[bytes]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


def _error_of(raw: bytes) -> Exception:
    try:
        failed = failed_status(status_pb2.Status.FromString(raw))
    except DecodeError:
        failed = FailedCall(StatusCode.UNKNOWN)
    if failed.code is StatusCode.UNIMPLEMENTED and not failed.reason:
        return NotTakenError()  # the server does not know the method here
    return RefusedError(failure_of_call(failed))
