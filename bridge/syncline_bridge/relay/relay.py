"""All streams to the server, and which of them takes a call."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from syncline_bridge.relay.calls import StreamCalls

_SWEEP_SECONDS: Final = 0.25
"""A call is given up so much late at most."""


class KeptStream(Protocol):
    """A stream that is opened again whenever it ends."""

    @property
    def calls(self) -> StreamCalls:
        """The calls of the stream that is open, or of the last one."""

    async def keep_up(self) -> None:
        """Open it, and again whenever it has ended, until this is cancelled."""


class Relay:
    """The streams."""

    def __init__(self, streams: Sequence[KeptStream]) -> None:
        """Take these; none: every call goes alone."""
        self._streams = streams

    def calls_for(self, request: bytes, credentials: bytes) -> StreamCalls | None:
        """Return what takes such a call, of several the one with the fewest; None: it has to go alone."""
        best: StreamCalls | None = None
        for stream in self._streams:
            calls = stream.calls
            if calls.takes(request, credentials) and (best is None or calls.running < best.running):
                best = calls
        return best

    @asynccontextmanager
    async def kept_up(self) -> AsyncIterator[None]:
        """Keep the streams up for the time of the block."""
        tasks = [asyncio.create_task(stream.keep_up(), name="relay") for stream in self._streams]
        tasks.append(asyncio.create_task(self._sweep(), name="relay deadlines"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            for stream in self._streams:
                stream.calls.give_up_late()
