"""Many pushes over one call: each is begun as it comes and answered in order, and one that fails fails alone."""

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from grpc import aio

from syncline.v1 import sync_pb2
from syncline_server.identity.authenticator import Authenticator
from syncline_server.identity.credentials import credentials_of
from syncline_server.identity.principal import Principal
from syncline_server.rpc.pushes import BegunPush, Pushes
from syncline_server.rpc.server_time import server_time
from syncline_server.rpc.status import forget_frames, rich_internal_status, rich_status_of
from syncline_server.sync.errors import Draining, ReaderTooSlow, SyncError

_log = logging.getLogger(__name__)

_MAX_UNANSWERED: Final = 512
_MAX_UNANSWERED_BYTES: Final = 8 * 1024 * 1024
"""A stream is read no further while so much of it is unanswered; one push may be larger."""
_MAX_ANSWER_BYTES: Final = 1024 * 1024
"""A message of answers is ended by the one that brings it to so much."""


class PushStreams:
    """Serves the streams of pushes."""

    def __init__(self, authenticator: Authenticator, pushes: Pushes, slow_reader_seconds: float) -> None:
        """A stream whose client takes no answers for `slow_reader_seconds` is cut."""
        self._authenticator = authenticator
        self._pushes = pushes
        self._slow_reader_seconds = slow_reader_seconds
        self._open: set[_PushStream] = set()
        self._draining = False

    async def serve(self, context: Any) -> None:
        """Serve one stream to its end. Raises SyncError where it ends by the server."""
        credentials = credentials_of(context.invocation_metadata())
        stream = _PushStream(self._pushes, partial(self._authenticator.authenticate, credentials))
        # Before the first write, or a client that is cut in it gets neither status nor reset.
        await context.send_initial_metadata(server_time())
        self._open.add(stream)
        reading = asyncio.create_task(stream.read(context), name="push stream")
        try:
            if self._draining:
                stream.drain()
            async for message in stream.answers():
                await self._send(context, message)
        finally:
            self._open.discard(stream)
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    def drain(self) -> None:
        """End all streams, each once what it has read is answered."""
        self._draining = True
        for stream in self._open:
            stream.drain()

    async def _send(self, context: Any, message: sync_pb2.PushStreamResponse) -> None:
        try:
            async with asyncio.timeout(self._slow_reader_seconds):
                await context.write(message)
        except TimeoutError:
            raise ReaderTooSlow("") from None


@dataclass(frozen=True, slots=True)
class _Unanswered:
    """A push that has no answer yet."""

    size_bytes: int
    principal: Principal
    begun: BegunPush
    """What was refused at once has failed already."""


class _PushStream:
    """One stream: what was read of it and is not answered, and how it ends."""

    def __init__(self, pushes: Pushes, identify: Callable[[], Awaitable[Principal]]) -> None:
        """`identify` returns the caller, and raises SyncError once it is none any more."""
        self._pushes = pushes
        self._identify = identify
        self._unanswered: deque[_Unanswered] = deque()
        self._unanswered_bytes = 0
        self._news = asyncio.Event()
        """Something was read, or is done."""
        self._room = asyncio.Event()
        self._is_read = False
        self._error: Exception | None = None

    def drain(self) -> None:
        """Read no further."""
        self._end(Draining())

    async def read(self, context: Any) -> None:
        """Begin pushes as they come, until there are no more."""
        try:
            while not self._is_read and (message := await context.read()) is not aio.EOF:
                if isinstance(message, SyncError):
                    raise message
                caller = await self._identify()
                for request in message.pushes:
                    await self._wait_for_room()
                    if self._is_read:
                        break
                    self._add(await self._begin(request, caller))
        except Exception as error:
            self._end(error)
        else:
            self._end(None)

    async def answers(self) -> Any:
        """Yield messages of answers, in order, each with all that are known. Raises what ended the stream."""
        while self._unanswered or not self._is_read:
            self._news.clear()
            message = sync_pb2.PushStreamResponse()
            size = 0
            while self._unanswered and self._unanswered[0].begun.done() and size < _MAX_ANSWER_BYTES:
                one = self._unanswered.popleft()
                self._unanswered_bytes -= one.size_bytes
                answer = message.answers.add()
                self._fill(answer, one)
                size += answer.ByteSize()
            if size:
                self._room.set()
                yield message
            elif self._unanswered or not self._is_read:
                await self._news.wait()
        if self._error is not None:
            raise self._error

    async def _begin(self, request: sync_pb2.PushRequest, caller: Principal) -> _Unanswered:
        principal = caller
        try:
            principal = caller.acting_for(request.user_id)
            begun = await self._pushes.begin(request, principal)
        except SyncError as error:
            begun = asyncio.get_running_loop().create_future()
            begun.set_exception(error)
        begun.add_done_callback(self._know)
        return _Unanswered(request.ByteSize(), principal, begun)

    def _know(self, done: BegunPush) -> None:
        done.exception()  # retrieved, or asyncio would log it where the client has gone
        self._news.set()

    def _add(self, one: _Unanswered) -> None:
        self._unanswered.append(one)
        self._unanswered_bytes += one.size_bytes
        self._news.set()

    async def _wait_for_room(self) -> None:
        while not self._is_read and (
            len(self._unanswered) >= _MAX_UNANSWERED or self._unanswered_bytes >= _MAX_UNANSWERED_BYTES
        ):
            self._room.clear()
            await self._room.wait()

    def _fill(self, answer: sync_pb2.PushAnswer, one: _Unanswered) -> None:
        try:
            self._pushes.answer(answer.response, one.begun, one.principal)
        except SyncError as error:
            answer.status = rich_status_of(error).SerializeToString()
            forget_frames(error)
        except Exception as error:
            request_id = uuid.uuid4().hex
            _log.error("a push of a stream failed, request_id=%s", request_id, exc_info=error)
            answer.status = rich_internal_status(request_id).SerializeToString()
            forget_frames(error)

    def _end(self, error: Exception | None) -> None:
        """Take in no more; the first reason counts."""
        if not self._is_read:
            self._is_read, self._error = True, error
        self._news.set()
        self._room.set()
