"""How a stream outlives its connections: each goes on from the last token that was handed out."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from grpc import StatusCode, aio

from syncline.failed_call import FailedCall, failed_call
from syncline.v1 import sync_pb2, sync_pb2_grpc
from syncline_client.clock import Clock
from syncline_client.credentials import Credentials, Metadata
from syncline_client.errors import DeadlineExceeded, SessionExpired, SynclineError, Unavailable, error_of
from syncline_client.timing import Backoff, Timing

_log: Final = logging.getLogger(__name__)


class Follower:
    """Reads one stream, over as many connections as it takes."""

    def __init__(
        self, connect: Callable[[], aio.Channel], credentials: Credentials, timing: Timing, clock: Clock
    ) -> None:
        """`connect` opens a channel of a connection's own: a new one owes nothing to one that is stuck.

        `clock` hears the server's time of each connection.
        """
        self._connect = connect
        self._credentials = credentials
        self._timing = timing
        self._clock = clock

    async def messages(self, request: sync_pb2.StreamPullRequest) -> AsyncGenerator[sync_pb2.StreamPullResponse, None]:
        """Yield every message once; `request` keeps the position to resume from. Raises SynclineError.

        Ends by itself only when it has caught up and was not asked to follow. Errors that may mend are logged and
        waited out; the others end it, a session token that has expired only when there is no fresh one.
        """
        attempts = _Attempts(self._timing, endless=request.follow)
        while True:
            metadata = await self._credentials.metadata()
            try:
                async with aclosing(self._connection(request, metadata)) as connection:
                    async for message in connection:
                        attempts.progress()
                        request.checkpoint_token = message.checkpoint_token
                        yield message
                if not request.follow:
                    return
                raise Unavailable(FailedCall(StatusCode.UNAVAILABLE, message="The stream ended."))
            except SynclineError as error:
                failed = _bare(error)
            if not isinstance(failed, SessionExpired):
                await attempts.wait_out(failed)
            elif not attempts.renewal() or not self._credentials.renews(metadata):
                raise failed

    async def _connection(
        self, request: sync_pb2.StreamPullRequest, metadata: Metadata
    ) -> AsyncGenerator[sync_pb2.StreamPullResponse, None]:
        """Yield the messages of one connection. Raises SynclineError; DeadlineExceeded when it has gone silent."""
        async with self._connect() as channel:
            call = sync_pb2_grpc.SyncServiceStub(channel).StreamPull(request, metadata=metadata)
            # Not `call.read()`: that forgets what is still to be read once the stream has ended.
            messages = aiter(call)
            is_heard = False
            try:
                while True:
                    async with asyncio.timeout(self._timing.silence_seconds):
                        message = await anext(messages)
                        if not is_heard:
                            self._clock.hear(await call.initial_metadata())
                            is_heard = True
                    yield message
            except StopAsyncIteration:
                return
            except TimeoutError:
                silence = f"The stream was silent for {self._timing.silence_seconds:g} s."
                raise DeadlineExceeded(FailedCall(StatusCode.DEADLINE_EXCEEDED, message=silence)) from None
            except aio.AioRpcError as error:
                raise error_of(failed_call(error)) from error
            finally:
                call.cancel()


class _Attempts:
    """The attempts of a stream to get its next message."""

    def __init__(self, timing: Timing, *, endless: bool) -> None:
        self._total_seconds = math.inf if endless else timing.total_seconds
        self._backoff = Backoff(timing)
        self.progress()

    def progress(self) -> None:
        """Begin again."""
        self._backoff.reset()
        self._progress_at = time.monotonic()
        self._renewed = False
        self._attempts = 0

    def renewal(self) -> bool:
        """Tell whether a session token may be renewed: one that has brought nothing is not."""
        self._renewed, before = True, self._renewed
        return not before

    async def wait_out(self, error: SynclineError) -> None:
        """Wait before the next attempt; raises the error when there is none."""
        pause = self._backoff.next_pause(error.retry_after_seconds)
        if not error.retryable or time.monotonic() + pause >= self._progress_at + self._total_seconds:
            raise error
        level = logging.INFO if self._attempts else logging.WARNING
        _log.log(level, "the stream is away (%s); next attempt in %.1f s", error.reason or error, pause)
        self._attempts += 1
        await asyncio.sleep(pause)


def _bare(error: SynclineError) -> SynclineError:
    """Drop what an error remembers of where it came from: a channel that is closed goes on connecting with its call."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
