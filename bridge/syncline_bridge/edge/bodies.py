"""Which bodies are read, how large they may be and how long they may take; they are read whole before anything else."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncline_bridge.edge.access import AnswerFailure
from syncline_bridge.edge.callers import Callers
from syncline_bridge.edge.heads import Expected, Heads, announced_bytes
from syncline_bridge.failure import BODY_TOO_SLOW, OVERLOADED, RefusedError, body_too_large

_LINGER_SECONDS = 2.0
_NOBODY = b""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How much is read."""

    timeout_seconds: float
    min_bytes_per_second: int


class BodyRoom:
    """How much of bodies is in memory at once; one caller may have half of it."""

    def __init__(self, all_bytes: int) -> None:
        self._all_bytes = all_bytes
        self._held: Counter[bytes] = Counter()
        self._held_in_all = 0

    def has(self, holder: bytes, size: int) -> bool:
        """Tell whether there is room for a piece of a body."""
        most = self._all_bytes
        return self._held_in_all + size <= most and self._held[holder] + size <= most // 2

    def take(self, holder: bytes, size: int) -> None:
        """Fill room that there is."""
        self._held_in_all += size
        self._held[holder] += size

    def release(self, holder: bytes, size: int) -> None:
        """Give room back."""
        self._held_in_all -= size
        self._held[holder] -= size
        if not self._held[holder]:
            del self._held[holder]


class Bodies:
    """Hand the application complete bodies only, of callers who are known, where one is expected.

    Everything else is answered on the head, and the connection closed. Starlette's own limit answers in plain text, and
    neither it nor uvicorn minds who sends a body, and how long it takes.
    """

    def __init__(
        self,
        app: ASGIApp,
        answer_failure: AnswerFailure,
        heads: Heads,
        callers: Callers,
        limits: BodyLimits,
        room: BodyRoom,
    ) -> None:
        self._app = app
        self._answer_failure = answer_failure
        self._heads = heads
        self._callers = callers
        self._limits = limits
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        expected, announced = self._heads.expected(scope), announced_bytes(scope)
        if expected is None and announced != 0:
            await _without_its_body(self._app, scope, receive, send)
            return
        try:
            name = await self._admit(expected, announced, scope)
        except RefusedError as refused:
            await self._refuse(refused, announced != 0, scope, receive, send)
            return
        if announced == 0:
            await self._app(scope, receive, send)
        elif expected is not None:
            await self._serve_with_body(_Body(self._room, name, expected.max_body_bytes), scope, receive, send)

    async def _admit(self, expected: Expected | None, announced: int | None, scope: Scope) -> bytes:
        if expected is None:
            return _NOBODY
        if announced is not None and announced > expected.max_body_bytes:
            raise RefusedError(body_too_large(expected.max_body_bytes))
        if expected.credentials is None:
            return _NOBODY
        return await self._callers.admit(expected.credentials.caller_of(scope), scope)

    async def _serve_with_body(self, body: "_Body", scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if await body.read(receive, self._limits):
                await self._app(scope, _replay(bytes(body.content), receive), send)
        except RefusedError as refused:
            await self._refuse(refused, True, scope, receive, send)
        finally:
            self._room.release(body.holder, len(body.content))

    async def _refuse(self, refused: RefusedError, has_body: bool, scope: Scope, receive: Receive, send: Send) -> None:
        response = self._answer_failure(scope["path"], refused.failure)
        if not has_body:
            await response(scope, receive, send)
            return
        linger_seconds = 0.0 if refused.failure is BODY_TOO_SLOW else _LINGER_SECONDS
        await _answer_and_linger(response, linger_seconds, scope, receive, send)


class _Body:
    """A body that is coming."""

    def __init__(self, room: BodyRoom, holder: bytes, max_bytes: int) -> None:
        self.holder = holder
        self.content = bytearray()
        self._room = room
        self._max_bytes = max_bytes

    async def read(self, receive: Receive, limits: BodyLimits) -> bool:
        """Read to the end; False when the client went away. Raises RefusedError."""
        now = asyncio.get_running_loop().time
        started = now()
        try:
            async with asyncio.timeout(limits.timeout_seconds) as deadline:
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return False
                    self._add(message.get("body", b""))
                    if not message.get("more_body", False):
                        return True
                    # Who sends fast enough gets the time that takes; a trickle only ever gets the base.
                    earned = len(self.content) / limits.min_bytes_per_second
                    deadline.reschedule(started + limits.timeout_seconds + earned)
        except TimeoutError:
            raise RefusedError(BODY_TOO_SLOW) from None

    def _add(self, piece: bytes) -> None:
        if len(self.content) + len(piece) > self._max_bytes:
            raise RefusedError(body_too_large(self._max_bytes))
        if not self._room.has(self.holder, len(piece)):
            raise RefusedError(OVERLOADED)
        self._room.take(self.holder, len(piece))
        self.content += piece


def replay(message: Message, receive: Receive) -> Receive:
    """Return what receives a message, again, before whatever comes after it."""
    pending = [message]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again


def _replay(body: bytes, receive: Receive) -> Receive:
    return replay({"type": "http.request", "body": body, "more_body": False}, receive)


async def _without_its_body(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer without a look at the body, and end the connection, as the body is still on its way."""

    async def send_last(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if name.lower() != b"connection"]
            message = {**message, "headers": [*kept, (b"connection", b"close")]}
        elif not message.get("more_body", False):
            await send({**message, "more_body": True})
            await _linger(_LINGER_SECONDS, receive)
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await send(message)

    await app(scope, _replay(b"", receive), send_last)


async def _answer_and_linger(
    response: Response, linger_seconds: float, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer, then let some of what is still coming go by: closing at once would reset the answer away."""

    async def send_unfinished(message: Message) -> None:
        await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

    response.headers["connection"] = "close"
    await response(scope, receive, send_unfinished)
    await _linger(linger_seconds, receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _linger(seconds: float, receive: Receive) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await receive()).get("more_body", False):
                pass
