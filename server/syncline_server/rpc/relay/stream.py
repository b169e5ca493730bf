"""A stream between a bridge and this server over gRPC: calls are read while there is room, and answers written."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from grpc import aio

from syncline.relay.v1 import relay_pb2
from syncline_server.rpc.relay.calls import RelayedCalls, Served
from syncline_server.rpc.server_time import server_time
from syncline_server.sync.errors import ReaderTooSlow, SyncError


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What a stream may do."""

    max_request_bytes: int
    """Of a message of calls."""
    slow_reader_seconds: float
    """A bridge that takes no answers for so long is cut off."""


class RelayStream:
    """One stream."""

    def __init__(self, served: Served, context: Any, on_let_in: Callable[[], None], limits: StreamLimits) -> None:
        """Serve calls with `served`; `on_let_in` is called when the first caller was let in."""
        self._calls = RelayedCalls(served, context.peer(), on_news=self._tell, on_let_in=on_let_in)
        self._context = context
        self._limits = limits
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._is_read = False
        self._error: Exception | None = None

    async def serve(self) -> None:
        """Serve the stream to its end. Raises SyncError where it ends by the server."""
        # Before the first write, or a bridge that is cut in it gets neither status nor reset.
        await self._context.send_initial_metadata(server_time())
        reading = asyncio.create_task(self._read(), name="relay")
        try:
            await self._send(relay_pb2.RelayResponse(max_request_bytes=self._limits.max_request_bytes))
            async for message in self._messages():
                await self._send(message)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
            self._calls.cancel()

    def drain(self) -> None:
        """Tell the bridge to send no more."""
        self._calls.drain()

    def end(self, error: Exception | None) -> None:
        """Take no more calls, and end the stream once those that were taken are answered; the first reason counts."""
        if not self._is_read:
            self._is_read, self._error = True, error
        self._tell()

    async def _read(self) -> None:
        try:
            while not self._is_read and (message := await self._context.read()) is not aio.EOF:
                if isinstance(message, SyncError):
                    raise message
                self._calls.take(message)
                await self._wait_for_room()
        except Exception as error:
            self.end(error)
        else:
            self.end(None)

    async def _messages(self) -> AsyncIterator[relay_pb2.RelayResponse]:
        """Yield answers as they are ready, folded. Raises what ended the stream."""
        while True:
            self._news.clear()
            if (message := self._calls.next_message()) is not None:
                self._room.set()
                yield message
            elif self._is_read and self._calls.is_answered:
                break
            else:
                await self._news.wait()
        if self._error is not None:
            raise self._error

    async def _send(self, message: relay_pb2.RelayResponse) -> None:
        try:
            async with asyncio.timeout(self._limits.slow_reader_seconds):
                await self._context.write(message)
        except TimeoutError:
            raise ReaderTooSlow("") from None

    async def _wait_for_room(self) -> None:
        while not (self._is_read or self._calls.has_room):
            self._room.clear()
            await self._room.wait()

    def _tell(self) -> None:
        self._news.set()
        self._room.set()
