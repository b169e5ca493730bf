"""A stream of calls to a server of this machine over a Unix socket, without gRPC; opened again whenever it ends."""

import asyncio
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import DecodeError

from syncline import words
from syncline.relay.frames import Frames, FrameTooLarge, framed
from syncline.relay.v1 import relay_pb2
from syncline_bridge.relay.calls import StreamCalls

_PAUSE_SECONDS: Final = 0.1
_AT_ONCE: Final = 4
"""So many calls are sent without waiting for more: the server begins while the others are translated."""


class SocketStream:
    """Keeps a stream up."""

    def __init__(self, path: Path) -> None:
        """Connect to a socket."""
        self._path = path
        self._carrier = _Carrier()

    @property
    def calls(self) -> StreamCalls:
        """Those of the stream that is open, or of the last one."""
        return self._carrier.calls

    async def keep_up(self) -> None:
        """Open the stream, and again whenever it has ended, until this is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            # Nothing of a stream outlives it: what is to be sent, who waits, and what wakes its writer.
            carrier = self._carrier = _Carrier()
            try:
                await loop.create_unix_connection(lambda: carrier, str(self._path))  # noqa: B023  # it is called at once
                await carrier.ended
            except OSError:
                pass  # the server is not there, or not yet
            finally:
                carrier.close()
            await asyncio.sleep(_PAUSE_SECONDS)


class _Carrier(asyncio.Protocol):
    """One stream, from its connection to its end."""

    def __init__(self) -> None:
        self.calls = StreamCalls(self._wake)
        self._frames = Frames(words.MAX_ANSWER_BYTES)
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._is_full = False
        self._is_waking = False
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def close(self) -> None:
        """End the stream, and the calls that have no answer."""
        if self._transport is not None:
            self._transport.abort()
        self._is_full = True
        self.calls.lose()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        self._is_full = True
        self.calls.lose()
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        try:
            for raw in self._frames.feed(data):
                self.calls.take(relay_pb2.RelayResponse.FromString(raw))
        except (DecodeError, FrameTooLarge):
            self._transport.abort()
            return
        if self.calls.is_draining and not self.calls.running:
            self._transport.abort()  # the server waits for it

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()

    def _wake(self) -> None:
        if self.calls.unsent >= _AT_ONCE:
            self._send()
        elif not self._is_waking:
            self._is_waking = True
            self._loop.call_soon(self._send_later)

    def _send_later(self) -> None:
        self._is_waking = False
        self._send()

    def _send(self) -> None:
        while not self._is_full and (message := self.calls.next_message()) is not None:
            self._transport.write(framed(message.SerializeToString()))
