"""Pages of exactly as many documents as were asked for: to its client, a shorter one says that there is no more."""

from collections.abc import AsyncIterator
from typing import Final

import msgspec
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from syncline import words
from syncline.v1 import sync_pb2
from syncline_bridge.caller import Caller
from syncline_bridge.dialects.rxdb.collection import Collection
from syncline_bridge.dialects.rxdb.documents import document_of
from syncline_bridge.dialects.rxdb.models import RxdbCheckpoint
from syncline_bridge.failure import RefusedError
from syncline_bridge.upstream import Upstream

DEFAULT_LIMIT: Final = 100
MOST_DOCUMENTS: Final = 10_000
_HEADERS: Final = [(b"content-type", b"application/json")]


class Reading:
    """One page on its way: as many of the server's as it takes."""

    def __init__(self, upstream: Upstream, caller: Caller, collection: Collection, start: RxdbCheckpoint) -> None:
        self._upstream = upstream
        self._caller = caller
        self._collection = collection
        self._checkpoint = start

    async def pieces(self, limit: int) -> AsyncIterator[bytes]:
        """Yield the answer; its checkpoint comes last, after all that lies before it. Raises RefusedError."""
        left = limit
        piece = b'{"documents":['
        while True:
            page = await self._page(min(left, words.MAX_PAGE_SIZE))
            documents = [document_of(change, self._collection.primary_key) for change in page.changes]
            revision = page.changes[-1].revision if page.changes else self._checkpoint.lwt
            self._checkpoint = RxdbCheckpoint(page.checkpoint_token, revision)
            piece += b"," if documents and left < limit else b""
            piece += b",".join(documents)
            left -= len(documents)
            if not left or not page.has_more:
                yield piece + b'],"checkpoint":' + msgspec.json.encode(self._checkpoint) + b"}"
                return
            yield piece
            piece = b""

    async def _page(self, size: int) -> sync_pb2.PullResponse:
        request = sync_pb2.PullRequest(
            entity_types=[self._collection.name],
            checkpoint_token=self._checkpoint.id or None,
            page_size=size,
            reset_when_expired=True,
        )
        return await self._upstream.pull(request, self._caller)


class PagesAnswer(Response):
    """Answers with the pieces of a page. A failure before the first is an ordinary answer; a later one cuts it off.

    So no more than one of the server's pages is in memory, and no client takes half of an answer for the whole.
    """

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        super().__init__(media_type="application/json")
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        piece = await anext(self._pieces)
        await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
        try:
            async for following in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = following
        except RefusedError as refused:
            structlog.get_logger(__name__).warning("pull cut off", reason=refused.failure.reason)
            return  # without an end, so that the connection is closed
        await send({"type": "http.response.body", "body": piece})
