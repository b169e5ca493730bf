"""A stream between the bridge and this server over a Unix socket: the messages of the relay without gRPC around them.

gRPC costs some 0.1 ms a message on both sides together and crosses a thread on each; a socket crosses none.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from syncline.relay.frames import Frames, FrameTooLarge, framed
from syncline.relay.v1 import relay_pb2
from syncline_server.rpc.relay.calls import RelayedCalls
from syncline_server.rpc.relay.service import RelayService, relay_request
from syncline_server.sync.errors import SyncError

_AT_ONCE: Final = 4
"""So many answers are sent without waiting for more: the bridge begins while the others are on their way."""
_CLOSE_SECONDS: Final = 0.5
_PEER: Final = "unix:"
"""As gRPC names it."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def listening(relay: RelayService, path: Path | None) -> AsyncIterator[None]:
    """Take calls at a socket for the time of the block; None: nowhere. Who may enter its folder may call.

    Raises OSError. At the end, bridges that were told to go away get a moment to do so.
    """
    if path is None:
        yield
        return
    streams: set[SocketStream] = set()
    # Held to the end of the block: uvloop closes a listener that nobody refers to.
    listener = await asyncio.get_running_loop().create_unix_server(lambda: SocketStream(relay, streams), path)
    try:
        yield
    finally:
        listener.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await asyncio.gather(*(stream.ended for stream in streams))
        for stream in list(streams):
            stream.abort()


class SocketStream(asyncio.Protocol):
    """One stream."""

    def __init__(self, relay: RelayService, streams: "set[SocketStream]") -> None:
        """Be one of `streams`, from the beginning of its connection to its end."""
        self._relay = relay
        self._streams = streams
        self._calls = RelayedCalls(relay.served, _PEER, on_news=self._wake, on_let_in=lambda: None)
        self._frames = Frames(relay.limits.max_request_bytes)
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._is_full = True
        """Whether nothing can be written now."""
        self._is_held = False
        """Whether nothing is read now."""
        self._is_waking = False
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say that calls are taken."""
        self._transport = transport
        self._is_full = False
        self._streams.add(self)
        self._write(relay_pb2.RelayResponse(max_request_bytes=self._relay.limits.max_request_bytes))
        self._relay.join(self)

    def connection_lost(self, _: Exception | None) -> None:
        """End what nobody waits for any more."""
        self._is_full = True
        self._streams.discard(self)
        self._relay.leave(self)
        self._calls.cancel()
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Begin the calls that have come."""
        try:
            for raw in self._frames.feed(data):
                message = relay_request(raw)
                if isinstance(message, SyncError):
                    raise message
                self._calls.take(message)
        except (SyncError, FrameTooLarge) as error:
            _log.warning("a relay over a socket was ended: %s", error)
            self.abort()
            return
        if not (self._is_held or self._calls.has_room):
            self._is_held = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """Keep answers: the bridge is slower than they come."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Send what was kept."""
        self._is_full = False
        self._wake()

    def drain(self) -> None:
        """Tell the bridge to send no more."""
        self._calls.drain()

    def abort(self) -> None:
        """End the stream at once."""
        self._transport.abort()

    def _wake(self) -> None:
        if self._calls.ready >= _AT_ONCE:
            self._send()
        elif not self._is_waking:
            self._is_waking = True
            self._loop.call_soon(self._send_later)

    def _send_later(self) -> None:
        self._is_waking = False
        self._send()

    def _send(self) -> None:
        """Send what is ready, and read on where there is room again."""
        while not self._is_full and (message := self._calls.next_message()) is not None:
            self._write(message)
        if self._is_held and self._calls.has_room:
            self._is_held = False
            self._transport.resume_reading()

    def _write(self, message: relay_pb2.RelayResponse) -> None:
        self._transport.write(framed(message.SerializeToString()))
