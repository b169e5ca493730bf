"""What HTTP itself asks of every request and answer, whatever its path: HEAD, Host."""

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncline_bridge.edge.access import AnswerFailure
from syncline_bridge.failure import invalid

_HOST = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+,;=:\[\]]*")


class HeadRequests:
    """Serve HEAD wherever GET is served: the same answer without its body, and of a stream no more than its head."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        started = False

        async def receive_until_started() -> Message:
            return {"type": "http.disconnect"} if started else await receive()

        async def send_without_body(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive_until_started, send_without_body)


class OneHost:
    """Refuse requests that name no host, two or a malformed one (RFC 9112, 3.2): a proxy may have read another."""

    def __init__(self, app: ASGIApp, answer_failure: AnswerFailure) -> None:
        self._app = app
        self._answer_failure = answer_failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        problem = _host_problem(Headers(scope=scope).getlist("host"), scope["http_version"])
        if problem is None:
            await self._app(scope, receive, send)
            return
        response = self._answer_failure(scope["path"], invalid(f"Host: {problem}.", field="Host"))
        response.headers["connection"] = "close"  # its body is not going to be read
        await response(scope, receive, send)


def is_host(value: bytes) -> bool:
    """Tell whether this is the form of a host."""
    return _HOST.fullmatch(value.decode("latin-1")) is not None


def _host_problem(hosts: list[str], http_version: str) -> str | None:
    if len(hosts) > 1:
        return "was sent more than once"
    if not hosts:
        return None if http_version == "1.0" else "is missing"
    return None if _HOST.fullmatch(hosts[0]) else "is malformed"
