"""What pages of other origins may do (CORS): in each area of the paths what that area takes and shows, and no more."""

import re
from collections.abc import Sequence

import structlog
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from syncline_bridge.edge.areas import Area, Areas
from syncline_bridge.failure import origin_refused

ANY = "*"
_LOOPBACK = r"https?://(localhost|[a-z0-9-]+\.localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?"
_SHOWABLE = re.compile(r"[!-~]{1,200}")
_MOST_REMEMBERED = 1000

# Browsers let every page send these without asking, but for Content-Type, which is JSON here, and If-None-Match.
_ALWAYS_SENT = ("Content-Type", "If-None-Match", "X-Request-Id")
_SAFE = ("Accept", "Accept-Language", "Content-Language")
# `Date` is the server's time, for clients whose own clock is wrong.
_ALWAYS_SHOWN = (
    *("Date", "ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Ignored-Parameters", "X-Request-Id"),
)


class CrossOrigin:
    """Open the application to pages of some origins, and tell those of all others, and the log, what to do about it.

    Listed origins may send credentials of the browser's own, too (a proxy's cookies); those that `*` lets in may not,
    and those of the loopback may where the dialect's clients always do.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str], areas: Areas, *, with_loopback: bool) -> None:
        """`with_loopback` lets pages in that come from this machine, as they do while an app is being written."""
        self._app = app
        self._areas = areas
        self._listed = frozenset(origins) - {ANY}
        self._opened = {area: _Opened(app, area, tuple(self._listed)) for area in areas.all}
        self._lets_all_in = ANY in origins
        self._with_loopback = with_loopback
        self._told: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        if not origin or origin.partition("://")[2] == headers.get("host"):
            await self._app(scope, receive, send)
            return
        opened = self._opened[self._areas.of(scope["path"])]
        if problem := opened.problem_of(scope["method"], headers):
            self._log(f"browser origin {_shown(origin)} refused: {problem}")
        if origin in self._listed:
            await opened.to_listed(scope, receive, send)
        elif self._lets_all_in:
            await opened.to_all(scope, receive, send)
        elif self._with_loopback and re.fullmatch(_LOOPBACK, origin):
            await opened.to_loopback(scope, receive, send)
        else:
            await self._refuse(origin, headers, scope, receive, send)

    async def _refuse(self, origin: str, headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a browser's question; anything else is served, and no browser shows the page what came."""
        failure = origin_refused(_shown(origin))
        self._log(failure.message)
        asks = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        served = self._areas.answer_failure(scope["path"], failure) if asks else self._app
        await served(scope, receive, send)

    def _log(self, sentence: str) -> None:
        """Log once an origin: a page asks again and again."""
        if sentence in self._told:
            return
        if len(self._told) >= _MOST_REMEMBERED:
            self._told.clear()
        self._told.add(sentence)
        structlog.get_logger(__name__).warning(sentence)


def _shown(text: str) -> str:
    """Return what a browser sent, as it may stand in a log."""
    return text if _SHOWABLE.fullmatch(text) else "(malformed)"


class _Opened:
    """The application as the pages of an origin may use one area of it."""

    def __init__(self, app: ASGIApp, area: Area, listed: Sequence[str]) -> None:
        methods, sent = area.methods, (*area.request_headers, *_ALWAYS_SENT)
        self._methods = frozenset(methods)
        self._sent = frozenset(name.lower() for name in (*sent, *_SAFE))
        shown = (*area.response_headers, *_ALWAYS_SHOWN)
        self.to_listed = CORSMiddleware(
            app,
            allow_origins=listed,
            allow_credentials=True,
            allow_methods=methods,
            allow_headers=sent,
            expose_headers=shown,
        )
        self.to_all = CORSMiddleware(
            app, allow_origins=(ANY,), allow_methods=methods, allow_headers=sent, expose_headers=shown
        )
        self.to_loopback = CORSMiddleware(
            app,
            allow_origin_regex=_LOOPBACK,
            allow_credentials=area.with_credentials,
            allow_methods=methods,
            allow_headers=sent,
            expose_headers=shown,
        )

    def problem_of(self, method: str, headers: Headers) -> str | None:
        """Say what a browser asks for, before its page does it, that the area does not take; None: nothing."""
        asked = headers.get("access-control-request-method")
        if method != "OPTIONS" or asked is None:
            return None
        if asked not in self._methods:
            return f"pages may not use {_shown(asked)} there"
        names = headers.get("access-control-request-headers", "").split(",")
        refused = [name.strip() for name in names if name.strip().lower() not in {*self._sent, ""}]
        return f"pages may not send {_shown(refused[0])} there" if refused else None
