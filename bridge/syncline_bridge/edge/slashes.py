"""That a path with one slash at its end is the path without it, whatever dialect it belongs to."""

from starlette.types import ASGIApp, Receive, Scope, Send


class SlashAtTheEnd:
    """Serve both spellings of every path. A redirect would not do: some clients lose the body of a POST over it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope["path"]
        if path.endswith("/") and path != "/":
            scope = {**scope, "path": path[:-1]}
        await self._app(scope, receive, send)
