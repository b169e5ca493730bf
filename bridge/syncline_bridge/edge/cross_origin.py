"""What pages of other origins may do (CORS): in each area of the paths what that area takes and shows, and no more."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from syncline_bridge.edge.areas import Area, Areas

# Browsers let every page send these without asking, but for Content-Type, which is JSON here.
_ALWAYS_SENT = ("Content-Type", "X-Request-Id")
# `Date` is the server's time, for clients whose own clock is wrong.
_ALWAYS_SHOWN = ("Date", "Retry-After", "X-Request-Id")


class CrossOrigin:
    """Open the application to some origins; `*` stands for all."""

    def __init__(self, app: ASGIApp, origins: Sequence[str], areas: Areas) -> None:
        self._areas = areas
        self._opened = {area: _open(app, origins, area) for area in areas.all}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._opened[self._areas.of(scope["path"])](scope, receive, send)


def _open(app: ASGIApp, origins: Sequence[str], area: Area) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=area.methods,
        allow_headers=(*area.request_headers, *_ALWAYS_SENT),
        expose_headers=(*area.response_headers, *_ALWAYS_SHOWN),
    )
