"""The live part of this dialect: documents as server-sent events, and tickets for readers that send no headers."""

import time
from collections.abc import AsyncGenerator
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from syncline.v1 import sync_pb2
from syncline_bridge.caller import Caller, caller_of_session, checked, header
from syncline_bridge.dialects.rxdb.collection import Collection, collection_of
from syncline_bridge.dialects.rxdb.documents import document_of
from syncline_bridge.dialects.rxdb.models import RxdbCheckpoint, RxdbTicket
from syncline_bridge.dialects.rxdb.query import single
from syncline_bridge.dialects.rxdb.settings import RxdbSettings
from syncline_bridge.edge.answers import json_answer
from syncline_bridge.edge.event_stream import EventStream, EventStreams, event, heartbeat
from syncline_bridge.failure import Failure, RefusedError
from syncline_bridge.upstream import Upstream

RETRY: Final = b"retry: 1000\n"
OVERLAP_SECONDS: Final = 60
"""How far in the past a stream begins that nobody resumes: behind the pull before it, so that nothing lies between."""
_WORTH_A_RECONNECT: Final = frozenset({429, 503})


class LiveHandlers:
    """Answer the requests for live changes."""

    def __init__(self, upstream: Upstream, streams: EventStreams, settings: RxdbSettings) -> None:
        """Open at most as many streams as `streams` allows."""
        self._upstream = upstream
        self._streams = streams
        self._least_versions = settings.least_versions

    async def stream(self, request: Request) -> Response:
        """Follow a collection live: documents as they are committed, from a minute ago or after the last event.

        Each event is a JSON object with `documents` and `checkpoint`, as a page is, and its id resumes the stream.
        Comments are heartbeats. Where coming back will help (429, 503), the answer is 200 and ends at once: after any
        other status an EventSource never does.
        """
        collection = collection_of(request.path_params, self._least_versions)
        query = _stream_request(collection, header(request, "Last-Event-ID"))
        ticket = checked("ticket", single(request.query_params.multi_items(), "ticket"))
        caller = Caller(request_id=request.state.request_id, ticket=ticket) if ticket else caller_of_session(request)
        return EventStream(self._streams, self._events(query, caller, collection.primary_key), _come_back)

    async def ticket(self, request: Request) -> Response:
        """Make a ticket: it opens streams, within a minute, as `ticket` in their URL."""
        issued = await self._upstream.create_ticket(caller_of_session(request))
        return json_answer(RxdbTicket(issued.ticket))

    async def _events(
        self, query: sync_pb2.StreamPullRequest, caller: Caller, primary_key: str
    ) -> AsyncGenerator[bytes, None]:
        first = RETRY
        try:
            async for message in self._upstream.stream(query, caller):
                yield first + _told(message, primary_key)
                first = b""
        except RefusedError:
            if first:
                raise


def _stream_request(collection: Collection, last_event_id: str) -> sync_pb2.StreamPullRequest:
    request = sync_pb2.StreamPullRequest(entity_types=[collection.name], follow=True)
    if last_event_id:
        request.checkpoint_token = last_event_id
        request.reset_when_expired = True
    else:
        # Without the reset, for which a moment past the user's head is a position that was lost.
        request.after_revision = (time.time_ns() // 1000) - OVERLAP_SECONDS * 1_000_000
    return request


def _told(message: sync_pb2.StreamPullResponse, primary_key: str) -> bytes:
    """Return the event of a message; never one without documents, for which its clients have no use."""
    if not message.changes:
        return heartbeat(message.checkpoint_token)
    documents = b",".join([document_of(change, primary_key) for change in message.changes])
    checkpoint = msgspec.json.encode(RxdbCheckpoint(message.checkpoint_token, message.changes[-1].revision))
    data = b'{"documents":[' + documents + b'],"checkpoint":' + checkpoint + b"}"
    return event(data, event_id=message.checkpoint_token)


def _come_back(failure: Failure) -> bytes | None:
    """Return the whole answer to an EventSource that had better come back."""
    return RETRY + b"\n" if failure.http_status in _WORTH_A_RECONNECT else None
