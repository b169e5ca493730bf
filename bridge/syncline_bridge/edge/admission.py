"""How many requests may be worked on at once."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncline_bridge.edge.access import AnswerFailure
from syncline_bridge.edge.paths import Paths
from syncline_bridge.failure import OVERLOADED


class Admission:
    """Turn requests away, in their dialect, while too many are in progress; uvicorn's own limit answers plain text.

    A place is held by work alone: not before a request is complete, and not while a client takes its answer.
    """

    def __init__(
        self, app: ASGIApp, answer_failure: AnswerFailure, limit: int, uncounted_paths: Iterable[str] = ()
    ) -> None:
        """Requests at `uncounted_paths` are always let in, and keep no other request out."""
        self._app = app
        self._answer_failure = answer_failure
        self._limit = limit
        self._uncounted_paths = Paths(uncounted_paths)
        self._in_progress = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or none."""
        if scope["path"] in self._uncounted_paths:
            await self._app(scope, receive, send)
            return
        if not self.enter():
            await self._answer_failure(scope["path"], OVERLOADED)(scope, receive, send)
            return
        holds = True

        def leave() -> None:
            nonlocal holds
            if holds:
                holds = False
                self.leave()

        async def send_without_a_place(message: Message) -> None:
            leave()
            await send(message)

        try:
            await self._app(scope, receive, send_without_a_place)
        finally:
            leave()

    def enter(self) -> bool:
        """Take a place; False when there is none."""
        if self._in_progress >= self._limit:
            return False
        self._in_progress += 1
        return True

    def leave(self) -> None:
        """Give a place back."""
        self._in_progress -= 1
