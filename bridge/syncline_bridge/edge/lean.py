"""The short way: a request that has nothing unusual about it goes straight to its operation, and the answer back.

Whatever is unusual takes the long way, through every layer, which says in its own words what is wrong. Both ways have
the same bounds, the same handlers and the same answers, to the byte.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncline_bridge.edge.access import AnswerFailure
from syncline_bridge.edge.admission import Admission
from syncline_bridge.edge.bodies import BodyRoom, replay
from syncline_bridge.edge.credentials import KnownCaller, KnownCallers
from syncline_bridge.edge.request_ends import has_come
from syncline_bridge.edge.semantics import is_host
from syncline_bridge.failure import DEFECT, RefusedError

SendAnswer = Callable[[Response, Scope, Receive, Send], Awaitable[None]]
"""Sends an answer that is there, compressed if it is worth it."""

_UNUSUAL = (b"origin", b"transfer-encoding", b"expect", b"content-encoding", b"upgrade")
"""What layers on the long way look at, other than what is looked at here."""
_HOST = b"host"
_LENGTH = b"content-length"


class Head(NamedTuple):
    """What is looked at of a request's head: each came once, or not at all (None)."""

    credentials: tuple[bytes | None, ...]
    host: bytes | None
    length: bytes | None


class HotRoute:
    """An operation that nearly all requests ask for."""

    def __init__(
        self,
        handler: Callable[[Request], Awaitable[Response]],
        known: KnownCallers,
        max_body_bytes: int,
    ) -> None:
        """`max_body_bytes` is 0 for an operation without a body."""
        self.handler = handler
        self.known = known
        self.max_body_bytes = max_body_bytes
        names = [*known.names, _HOST, _LENGTH]
        self._nothing: list[bytes | None] = [None] * len(names)
        self._places: Mapping[bytes, int] = {
            **{name: at for at, name in enumerate(names)},
            **dict.fromkeys(_UNUSUAL, -1),
        }

    def head_of(self, scope: Scope) -> Head | None:
        """Read a request's head; None: it is unusual."""
        values = self._nothing.copy()
        place_of = self._places.get
        for name, value in scope["headers"]:
            place = place_of(name)
            if place is None:
                continue
            if place < 0 or values[place] is not None:
                return None
            values[place] = value
        return Head(tuple(values[:-2]), values[-2], values[-1])


class LeanRequest(Request):
    """A request that is complete, as its handler gets it."""

    def __init__(self, scope: Scope, content: bytes) -> None:
        super().__init__(scope)
        self._content = content

    async def body(self) -> bytes:
        """Return the body."""
        return self._content


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is counted on both ways."""

    admission: Admission
    room: BodyRoom


class LeanEdge:
    """Answer hot routes; hand everything else on."""

    def __init__(
        self,
        app: ASGIApp,
        routes: Mapping[tuple[str, str], HotRoute],
        bounds: Bounds,
        answer_failure: AnswerFailure,
        send_answer: SendAnswer,
    ) -> None:
        """`routes` by method and path; `app` is the long way, for these too."""
        self._app = app
        self._routes = routes
        self._admission = bounds.admission
        self._room = bounds.room
        self._answer_failure = answer_failure
        self._send_answer = send_answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = self._routes.get((scope["method"], scope["path"]))
        known = None if route is None else _caller_of_usual(route, scope, receive)
        if route is None or known is None:
            await self._app(scope, receive, send)
            return
        message: Message = {"type": "http.request", "body": b""}
        if route.max_body_bytes:
            message = await receive()  # it does not wait
        body: bytes = message.get("body", b"")
        if message["type"] != "http.request" or not self._has_room(route, known.name, len(body)):
            await self._app(scope, replay(message, receive), send)
            return
        scope["state"]["caller"] = known.caller.in_request(scope["state"]["request_id"])
        try:
            await self._serve(route, LeanRequest(scope, body), receive, send)
        finally:
            self._room.release(known.name, len(body))

    def _has_room(self, route: HotRoute, name: bytes, size: int) -> bool:
        """Take a place and the room of a body; False: there is none."""
        if size > route.max_body_bytes or not self._room.has(name, size) or not self._admission.enter():
            return False
        self._room.take(name, size)
        return True

    async def _serve(self, route: HotRoute, request: LeanRequest, receive: Receive, send: Send) -> None:
        try:
            response = await route.handler(request)
        except RefusedError as refused:
            response = self._answer_failure(request.scope["path"], refused.failure)
        except Exception:
            response = self._answer_failure(request.scope["path"], DEFECT)
            await self._send_answer(response, request.scope, receive, send)
            raise
        finally:
            self._admission.leave()
        await self._send_answer(response, request.scope, receive, send)


def _caller_of_usual(route: HotRoute, scope: Scope, receive: Receive) -> KnownCaller | None:
    """Return who is calling, if the request has nothing unusual about it and its body is there."""
    if scope["http_version"] != "1.1":
        return None
    head = route.head_of(scope)
    if head is None or head.host is None or not is_host(head.host):
        return None
    if not has_come(receive) if route.max_body_bytes else head.length not in {None, b"0"}:
        return None
    return route.known.find(head.credentials)
