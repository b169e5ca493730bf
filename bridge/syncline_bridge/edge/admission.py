"""How many requests may be in progress at once."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from syncline_bridge.edge.access import AnswerFailure
from syncline_bridge.failure import OVERLOADED


class Admission:
    """Turn requests away, in their dialect, while too many are in progress; uvicorn's own limit answers plain text."""

    def __init__(
        self, app: ASGIApp, answer_failure: AnswerFailure, limit: int, uncounted_paths: Iterable[str] = ()
    ) -> None:
        """Requests at `uncounted_paths` are always let in, and keep no other request out."""
        self._app = app
        self._answer_failure = answer_failure
        self._limit = limit
        self._uncounted_paths = frozenset(uncounted_paths)
        self._in_progress = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or none."""
        if scope["path"] in self._uncounted_paths:
            await self._app(scope, receive, send)
            return
        if self._in_progress >= self._limit:
            response = self._answer_failure(scope["path"], OVERLOADED)
            response.headers["connection"] = "close"  # its body is not going to be read
            await response(scope, receive, send)
            return
        self._in_progress += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_progress -= 1
