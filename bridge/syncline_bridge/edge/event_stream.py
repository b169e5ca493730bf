"""Server-sent events as an answer: one event after the other for as long as client, server and bridge stay."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from syncline_bridge.edge.clients import note_refusal
from syncline_bridge.failure import OVERLOADED, STOPPING, Failure, RefusedError

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),  # proxies must pass events on at once
]

_UNAUTHENTICATED = 401


class EventStreams:
    """Bounds the streams that are open, and ends them when the bridge stops: uvicorn would wait for them for ever."""

    def __init__(self, limit: int, slow_client_seconds: float) -> None:
        """End a stream with an event that found no room on its way to the client for `slow_client_seconds`."""
        self._limit = limit
        self._slow_client_seconds = slow_client_seconds
        self._open = 0
        self._draining = asyncio.Event()

    @property
    def open(self) -> int:
        """How many are open."""
        return self._open

    def drain(self) -> None:
        """End all streams; their clients reconnect elsewhere, or here later."""
        self._draining.set()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place for a stream; raises RefusedError while too many are open, or the bridge stops."""
        if self._draining.is_set():
            raise RefusedError(STOPPING)
        if self._open >= self._limit:
            raise RefusedError(OVERLOADED)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def run(self, first: bytes, events: AsyncGenerator[bytes, None], receive: Receive, send: Send) -> None:
        """Send events until one of the three parties has had enough."""
        tasks = {
            asyncio.create_task(self._send_all(first, events, send)),
            asyncio.create_task(_wait_for_disconnect(receive)),
            asyncio.create_task(self._draining.wait()),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        with suppress(OSError, TimeoutError):  # the client is gone, or still takes nothing
            await self._send(b"", send, is_last=True)

    async def _send_all(self, first: bytes, events: AsyncGenerator[bytes, None], send: Send) -> None:
        await self._send(first, send)
        async for event in events:
            await self._send(event, send)

    async def _send(self, event: bytes, send: Send, *, is_last: bool = False) -> None:
        async with asyncio.timeout(self._slow_client_seconds):
            await send({"type": "http.response.body", "body": event, "more_body": not is_last})


class EventStream(Response):
    """Answer with events. An error before the first one is an ordinary answer: it is raised as RefusedError.

    An EventSource, though, sees no answer but 200, and never comes back after any other: for one, `refusal` makes
    events of an error, or None where an ordinary answer will do.
    """

    def __init__(
        self,
        streams: EventStreams,
        events: AsyncGenerator[bytes, None],
        refusal: Callable[[Failure], bytes | None] | None = None,
    ) -> None:
        super().__init__(media_type="text/event-stream")
        self._streams = streams
        self._events = events
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        async with aclosing(self._events):
            try:
                with self._streams.place():
                    first = await anext(self._events)
                    await send(_start())
                    await self._streams.run(first, self._events, receive, send)
            except RefusedError as refused:
                told = self._refusal(refused.failure) if self._refusal is not None else None
                if told is None:
                    raise
                if refused.failure.http_status == _UNAUTHENTICATED:
                    note_refusal(scope)
                await send(_start())
                await send({"type": "http.response.body", "body": told})


def event(data: bytes, *, name: str = "", event_id: str = "") -> bytes:
    """Write one event. `data` is JSON, in which line breaks are white space."""
    head = (f"event: {name}\n" if name else "") + (f"id: {event_id}\n" if event_id else "")
    return head.encode() + b"data: " + data.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n\n"


def heartbeat(event_id: str) -> bytes:
    """Write what dispatches no event, and still says where to resume: a comment, and an id."""
    return f":\nid: {event_id}\n\n".encode()


def _start() -> Message:
    """Return the head of an answer, each time a new one: layers further out add to it what is one client's alone."""
    return {"type": "http.response.start", "status": 200, "headers": [*_HEADERS]}


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
