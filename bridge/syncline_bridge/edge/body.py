"""How large a request's body may be and how long it may take: it is read whole before anything else happens."""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncline_bridge.edge.access import AnswerFailure
from syncline_bridge.failure import BODY_TOO_SLOW, RefusedError, body_too_large

_LINGER_SECONDS = 2.0


class BodyLimits:
    """Hand the application complete bodies only.

    Starlette's own limit answers in plain text, and neither it nor uvicorn minds how long a body takes.
    """

    def __init__(
        self,
        app: ASGIApp,
        answer_failure: AnswerFailure,
        max_bytes: int,
        timeout_seconds: float,
        min_bytes_per_second: int,
    ) -> None:
        self._app = app
        self._answer_failure = answer_failure
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._min_bytes_per_second = min_bytes_per_second

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            self._check_announced(scope)
            body = await self._read(receive)
        except RefusedError as refused:
            response = self._answer_failure(scope["path"], refused.failure)
            linger_seconds = 0.0 if refused.failure is BODY_TOO_SLOW else _LINGER_SECONDS
            await _answer_and_linger(response, linger_seconds, scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), send)

    def _check_announced(self, scope: Scope) -> None:
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            raise RefusedError(body_too_large(self._max_bytes))

    async def _read(self, receive: Receive) -> bytes | None:
        """Read to the end; None when the client went away."""
        body = bytearray()
        now = asyncio.get_running_loop().time
        started = now()
        try:
            async with asyncio.timeout(self._timeout_seconds) as deadline:
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return None
                    body += message.get("body", b"")
                    if len(body) > self._max_bytes:
                        raise RefusedError(body_too_large(self._max_bytes))
                    if not message.get("more_body", False):
                        return bytes(body)
                    # Who sends fast enough gets the time that takes; a trickle only ever gets the base.
                    earned = len(body) / self._min_bytes_per_second
                    deadline.reschedule(started + self._timeout_seconds + earned)
        except TimeoutError:
            raise RefusedError(BODY_TOO_SLOW) from None


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


async def _answer_and_linger(
    response: Response, linger_seconds: float, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer, then take in some of what is still coming: closing at once would reset the answer away."""

    async def send_unfinished(message: Message) -> None:
        await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

    response.headers["connection"] = "close"
    await response(scope, receive, send_unfinished)
    with suppress(TimeoutError):
        async with asyncio.timeout(linger_seconds):
            while (await receive()).get("more_body", False):
                pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})
