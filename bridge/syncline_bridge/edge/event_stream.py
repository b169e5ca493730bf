"""Server-sent events as an answer: one event after the other for as long as client, server and bridge stay."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from syncline_bridge.failure import OVERLOADED, STOPPING, RefusedError

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),  # proxies must pass events on at once
]


class EventStreams:
    """Bounds the streams that are open, and ends them when the bridge stops: uvicorn would wait for them for ever."""

    def __init__(self, limit: int, slow_client_seconds: float) -> None:
        """A client that takes nothing for `slow_client_seconds` is cut off."""
        self._limit = limit
        self._slow_client_seconds = slow_client_seconds
        self._open = 0
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """End all streams; their clients reconnect elsewhere, or here later."""
        self._draining.set()

    async def answer(self, events: AsyncGenerator[bytes, None]) -> "EventStream":
        """Wait for the first event, so that an error before it is an ordinary answer, and return the stream.

        Raises RefusedError, also while too many are open or the bridge stops.
        """
        if self._draining.is_set():
            raise RefusedError(STOPPING)
        if self._open >= self._limit:
            raise RefusedError(OVERLOADED)
        first = await anext(events)
        return EventStream(self, first, events)

    async def run(self, first: bytes, events: AsyncGenerator[bytes, None], receive: Receive, send: Send) -> None:
        """Send events until one of the three parties has had enough."""
        self._open += 1
        tasks = {
            asyncio.create_task(self._send_all(first, events, send)),
            asyncio.create_task(_disconnected(receive)),
            asyncio.create_task(self._draining.wait()),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open -= 1
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        with suppress(OSError):  # the client is gone
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, first: bytes, events: AsyncGenerator[bytes, None], send: Send) -> None:
        await self._send(first, send)
        async for event in events:
            await self._send(event, send)

    async def _send(self, event: bytes, send: Send) -> None:
        async with asyncio.timeout(self._slow_client_seconds):
            await send({"type": "http.response.body", "body": event, "more_body": True})


class EventStream(Response):
    """The answer itself."""

    def __init__(self, streams: EventStreams, first: bytes, events: AsyncGenerator[bytes, None]) -> None:
        """Begin with `first` and go on with `events`."""
        super().__init__(media_type="text/event-stream")
        self._streams = streams
        self._first = first
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        async with aclosing(self._events):
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await self._streams.run(self._first, self._events, receive, send)


def event(data: bytes, *, name: str = "", event_id: str = "") -> bytes:
    """Write one event. `data` is JSON, in which line breaks are white space."""
    head = (f"event: {name}\n" if name else "") + (f"id: {event_id}\n" if event_id else "")
    return head.encode() + b"data: " + data.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n\n"


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
