"""Pushes that do not wait for one another: one stream, opened again whenever it breaks, with what has no answer yet."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf.message import DecodeError
from google.rpc import status_pb2
from grpc import StatusCode, aio

from syncline.failed_call import FailedCall, failed_call, failed_status
from syncline.v1 import sync_pb2, sync_pb2_grpc
from syncline_client.answers import Pushed
from syncline_client.changes import NewChange
from syncline_client.clock import Clock
from syncline_client.credentials import Credentials
from syncline_client.errors import SessionExpired, SynclineError, Unavailable, error_of
from syncline_client.timing import Backoff, Timing

_log: Final = logging.getLogger(__name__)

_MAX_UNANSWERED: Final = 64
"""The server remembers so many pushes of a user, to recognise those that are sent again."""
_MESSAGE_BYTES: Final = 512 * 1024

MakeRequest = Callable[[Iterable[NewChange], Mapping[str, Any]], sync_pb2.PushRequest]
TakeResponse = Callable[[sync_pb2.PushResponse], Pushed]


@dataclass(slots=True)
class _Unanswered:
    """A push that has no answer yet."""

    request: sync_pb2.PushRequest
    since: float
    answered: "asyncio.Future[sync_pb2.PushResponse]"
    outcome_unknown: bool = False


@dataclass(slots=True)
class _Line:
    """The pushes without an answer, oldest first; those from `sent` on have not been sent over this connection."""

    pushes: deque[_Unanswered] = field(default_factory=deque)
    sent: int = 0


class Pusher:
    """Pushes over one stream; made by `SyncClient.pusher`."""

    def __init__(
        self,
        connect: Callable[[], aio.Channel],
        credentials: Credentials,
        timing: Timing,
        clock: Clock,
        make_request: MakeRequest,
        take_response: TakeResponse,
    ) -> None:
        """`connect` opens a channel of a connection's own; `clock` hears the server's time of each connection."""
        self._connect = connect
        self._credentials = credentials
        self._timing = timing
        self._clock = clock
        self._make_request = make_request
        self._take_response = take_response
        self._line = _Line()
        self._room = asyncio.Semaphore(_MAX_UNANSWERED)
        self._news = asyncio.Event()
        self._closed = False

    async def push(self, changes: Iterable[NewChange], **options: Any) -> Pushed:
        """Push as `SyncClient.push` does, with its options, in the order of the calls; raises what it raises.

        Up to 64 pushes are under way at once, the next one waits. After a lost connection those without an answer are
        sent again, in their order. One that the server refuses is not: later ones may have been applied meanwhile.
        """
        request = self._make_request(changes, options)
        async with self._room:
            loop = asyncio.get_running_loop()
            one = _Unanswered(request, loop.time(), loop.create_future())
            if self._closed:
                raise Unavailable(FailedCall(StatusCode.UNAVAILABLE, message="The pusher is closed."))
            self._line.pushes.append(one)
            self._news.set()
            return self._take_response(await one.answered)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Pusher"]:
        """Keep the stream up for the time of the block."""
        keeping = asyncio.create_task(self._keep_up(), name="pusher")
        try:
            yield self
        finally:
            self._closed = True
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
            self._fail(Unavailable(FailedCall(StatusCode.CANCELLED, message="The pusher was closed.")), everything=True)

    async def _keep_up(self) -> None:
        """Open the stream whenever there is something to push, again and again."""
        backoff = Backoff(self._timing)
        renewed = False
        while True:
            while not self._line.pushes:
                self._news.clear()
                await self._news.wait()
            metadata = await self._credentials.metadata()
            before = len(self._line.pushes)
            error = await self._run(metadata, backoff)
            if len(self._line.pushes) < before:
                renewed = False
            if isinstance(error, SessionExpired) and not renewed and self._credentials.renews(metadata):
                renewed = True
                continue
            if not isinstance(error, Unavailable):
                self._fail(error, everything=True)
                continue
            self._fail(error)
            pause = backoff.next_pause(error.retry_after_seconds)
            _log.info("the stream of pushes is away (%s); next attempt in %.1f s", error.reason or error, pause)
            await asyncio.sleep(pause)

    async def _run(self, metadata: Any, backoff: Backoff) -> SynclineError:
        """Push over one connection until it ends; returns why it has."""
        self._line.sent = 0
        async with self._connect() as channel:
            call = sync_pb2_grpc.SyncServiceStub(channel).PushStream(metadata=metadata)
            writing = asyncio.create_task(self._write(call))
            is_heard = False
            try:
                while True:
                    message = await self._read(call)
                    if message is aio.EOF:
                        return Unavailable(FailedCall(StatusCode.UNAVAILABLE, message="The stream ended."))
                    if not is_heard:
                        self._clock.hear(await call.initial_metadata())
                        is_heard = True
                    backoff.reset()
                    for answer in message.answers:
                        self._take(answer)
            except aio.AioRpcError as error:
                return error_of(failed_call(error))
            except TimeoutError:
                silent = f"There was no answer within {self._timing.call_seconds:g} s."
                return Unavailable(FailedCall(StatusCode.DEADLINE_EXCEEDED, message=silent))
            finally:
                writing.cancel()
                call.cancel()
                with suppress(asyncio.CancelledError):
                    await writing

    async def _read(self, call: Any) -> Any:
        """Read the next answers; what was sent has so long for them. Raises TimeoutError."""
        reading = asyncio.ensure_future(call.read())
        try:
            while True:
                done, _ = await asyncio.wait({reading}, timeout=self._timing.call_seconds)
                if done:
                    return reading.result()
                if self._line.sent:
                    raise TimeoutError
        finally:
            reading.cancel()

    async def _write(self, call: Any) -> None:
        """Send what has not been sent, as much in a message as is there."""
        line = self._line
        with suppress(aio.AioRpcError, asyncio.InvalidStateError):  # who reads hears of it, too
            while True:
                self._news.clear()
                message = sync_pb2.PushStreamRequest()
                size = 0
                while line.sent < len(line.pushes) and size < _MESSAGE_BYTES:
                    one = line.pushes[line.sent]
                    message.pushes.append(one.request)
                    size += one.request.ByteSize()
                    one.outcome_unknown = True
                    line.sent += 1
                if size:
                    await call.write(message)
                elif line.sent == len(line.pushes):
                    await self._news.wait()

    def _take(self, answer: sync_pb2.PushAnswer) -> None:
        one = self._line.pushes.popleft()
        self._line.sent -= 1
        if one.answered.done():  # whoever waited for it was cancelled
            return
        if answer.WhichOneof("answer") == "response":
            one.answered.set_result(answer.response)
            return
        error = error_of(failed_status(_status(answer.status)))
        error.outcome_unknown = isinstance(error, Unavailable)
        one.answered.set_exception(error)

    def _fail(self, error: SynclineError, *, everything: bool = False) -> None:
        """Give up the pushes that have waited for too long, or all."""
        given_up_before = asyncio.get_running_loop().time() - self._timing.total_seconds
        pushes = self._line.pushes
        while pushes and (everything or pushes[0].since < given_up_before):
            one = pushes.popleft()
            if not one.answered.done():
                one.answered.set_exception(type(error)(error.failure, outcome_unknown=one.outcome_unknown))


def _status(raw: bytes) -> status_pb2.Status:
    try:
        return status_pb2.Status.FromString(raw)
    except DecodeError:
        return status_pb2.Status(code=StatusCode.UNKNOWN.value[0])
