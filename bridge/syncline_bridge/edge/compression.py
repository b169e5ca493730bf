"""How answers are compressed for clients that ask for it, and how compressed bodies of requests are read."""

import zlib
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware

from syncline_bridge.edge.access import AnswerFailure
from syncline_bridge.edge.heads import Heads
from syncline_bridge.edge.paths import Paths
from syncline_bridge.failure import RefusedError, body_too_large, encoding_unknown, invalid

_WORTH_IT_BYTES = 1024
_LEVEL = 1
"""The fastest: a page of 100 changes takes 0.1 ms of the loop, and the next levels save a tenth more."""
_READY = "syncline.ready"
"""Where a scope holds the answer that is there."""
_GZIP = 16 + zlib.MAX_WBITS
_KNOWN = frozenset({"gzip", "x-gzip"})


class CompressedAnswers:
    """Compress with zstd, Brotli or gzip, whichever the client takes.

    Events stay as they are: each would have to be flushed by itself, and each open stream would hold the memory of a
    compressor, a quarter of a MiB at least.
    """

    def __init__(self, app: ASGIApp, uncompressed_paths: Iterable[str]) -> None:
        """Leave the answers at `uncompressed_paths` alone."""
        self._app = app
        self._compressing = _compressing(app)
        self._uncompressed_paths = Paths(uncompressed_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        app = self._app if scope["path"] in self._uncompressed_paths else self._compressing
        await app(scope, receive, send)


class ReadyAnswers:
    """Send answers that are there in one piece, compressed in the same way."""

    def __init__(self) -> None:
        self._compressing = _compressing(_send_ready)

    async def send(self, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        """Send one answer."""
        if len(response.body) < _WORTH_IT_BYTES:
            await response(scope, receive, send)
        else:
            await self._compressing({**scope, _READY: response}, receive, send)


async def send_plainly(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer as it is."""
    await response(scope, receive, send)


async def _send_ready(scope: Scope, receive: Receive, send: Send) -> None:
    await scope[_READY](scope, receive, send)


def _compressing(app: ASGIApp) -> CompressMiddleware:
    return CompressMiddleware(
        app, minimum_size=_WORTH_IT_BYTES, zstd_level=_LEVEL, brotli_quality=_LEVEL, gzip_level=_LEVEL
    )


class CompressedBodies:
    """Hand the application bodies as they were before a client compressed them; takes complete bodies only."""

    def __init__(self, app: ASGIApp, answer_failure: AnswerFailure, heads: Heads) -> None:
        self._app = app
        self._answer_failure = answer_failure
        self._heads = heads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        encodings = _encodings(Headers(scope=scope))
        if not encodings:
            await self._app(scope, receive, send)
            return
        try:
            if any(encoding not in _KNOWN for encoding in encodings) or len(encodings) > 1:
                raise RefusedError(encoding_unknown(", ".join(encodings)))
            message = await receive()
            expected = self._heads.expected(scope)
            body = _unzipped(message.get("body", b""), expected.max_body_bytes if expected else 0)
        except RefusedError as refused:
            response = self._answer_failure(scope["path"], refused.failure)
            response.headers["accept-encoding"] = "gzip"
            await response(scope, receive, send)
            return
        await self._app(_plain(scope, body), _followed_by(receive, {**message, "body": body}), send)


def _encodings(headers: Headers) -> list[str]:
    listed = ",".join(headers.getlist("content-encoding")).lower().split(",")
    return [name.strip() for name in listed if name.strip() not in {"", "identity"}]


def _unzipped(body: bytes, max_bytes: int) -> bytes:
    """Read gzip, of one member or several; raises RefusedError as soon as it comes to more than `max_bytes`."""
    text = bytearray()
    try:
        while body or not text:
            member = zlib.decompressobj(_GZIP)
            text += member.decompress(body, max_bytes - len(text) + 1)
            if len(text) > max_bytes:
                raise RefusedError(body_too_large(max_bytes))
            if not member.eof:
                raise RefusedError(invalid("The body is not whole: its gzip ends early.", field="Content-Encoding"))
            body = member.unused_data
            if not text:
                break
    except zlib.error:
        raise RefusedError(invalid("The body is not gzip.", field="Content-Encoding")) from None
    return bytes(text)


def _plain(scope: Scope, body: bytes) -> Scope:
    changed: Scope = {**scope, "headers": list(scope["headers"])}
    headers = MutableHeaders(scope=changed)
    del headers["content-encoding"]
    headers["content-length"] = str(len(body))
    return changed


def _followed_by(receive: Receive, first: Message) -> Receive:
    waiting = [first]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message
