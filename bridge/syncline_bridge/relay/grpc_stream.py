"""A stream of calls to the server over gRPC, opened again whenever it ends."""

import asyncio
from typing import Any, Final

from grpc import StatusCode, aio

from syncline.relay.v1 import relay_pb2_grpc
from syncline_bridge.relay.calls import StreamCalls

_FIRST_PAUSE_SECONDS: Final = 0.1
_LAST_PAUSE_SECONDS: Final = 1.0
_UNKNOWN_PAUSE_SECONDS: Final = 30.0
"""A server that does not know the relay is asked again so seldom."""
_HELLO_SECONDS: Final = 5.0


class GrpcStream:
    """Keeps a stream up."""

    def __init__(self, channel: aio.Channel) -> None:
        """Open streams on a channel that nothing else needs."""
        self._stub = relay_pb2_grpc.RelayServiceStub(channel)
        self._news = asyncio.Event()
        self.calls = StreamCalls(self._news.set)
        """Those of the stream that is open, or of the last one."""

    async def keep_up(self) -> None:
        """Open the stream, and again whenever it has ended, until this is cancelled."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            # Nothing of a stream outlives it: what is to be sent, who waits, and what wakes its writer.
            self._news = asyncio.Event()
            self.calls = StreamCalls(self._news.set)
            code = await self._run(self.calls, self._news)
            if code is StatusCode.OK:
                pause = _FIRST_PAUSE_SECONDS
            await asyncio.sleep(_UNKNOWN_PAUSE_SECONDS if code is StatusCode.UNIMPLEMENTED else pause)
            pause = min(pause * 2, _LAST_PAUSE_SECONDS)

    async def _run(self, calls: StreamCalls, news: asyncio.Event) -> StatusCode:
        """Carry calls until the stream ends; returns how it has ended, OK where it has worked."""
        call: Any = self._stub.Relay()
        writing: asyncio.Task[None] | None = None
        worked = False
        try:
            async with asyncio.timeout(_HELLO_SECONDS):
                hello = await call.read()
            if hello is aio.EOF:
                return StatusCode.UNAVAILABLE
            worked = True
            calls.take(hello)
            writing = asyncio.create_task(_write(call, calls, news), name="relay")
            await _read(call, calls)
        except aio.AioRpcError as error:
            return StatusCode.OK if worked else error.code()
        except TimeoutError:
            return StatusCode.DEADLINE_EXCEEDED
        finally:
            # At once where the server drains, too: it waits for the end of the stream.
            call.cancel()
            calls.lose()
            if writing is not None:
                writing.cancel()
                await asyncio.wait([writing])
        return StatusCode.OK


async def _read(call: Any, calls: StreamCalls) -> None:
    while (message := await call.read()) is not aio.EOF:
        calls.take(message)
        if calls.is_draining and not calls.running:
            return


async def _write(call: Any, calls: StreamCalls, news: asyncio.Event) -> None:
    """Write what is there, folded: what comes while a message is on its way waits for the next one."""
    while True:
        news.clear()
        if (message := calls.next_message()) is None:
            await news.wait()
            continue
        try:
            await call.write(message)
        except (aio.AioRpcError, asyncio.InvalidStateError):
            return  # whoever reads hears of it, too
