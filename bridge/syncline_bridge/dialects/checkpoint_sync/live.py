"""The live part of this dialect: changes as server-sent events, and tickets for readers that send no headers."""

from collections.abc import AsyncGenerator

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from syncline.v1 import sync_pb2
from syncline_bridge.caller import Caller, caller_of_session, checked, header
from syncline_bridge.dialects.checkpoint_sync import errors, timestamps, translate
from syncline_bridge.dialects.checkpoint_sync.models import IssuedTicket, TicketAnswer
from syncline_bridge.edge.answers import json_answer
from syncline_bridge.edge.event_stream import EventStream, EventStreams, event
from syncline_bridge.failure import Failure, RefusedError
from syncline_bridge.upstream import Upstream

RECONNECT_MS = 1000
CLOSED_EVENT = "closed"
_WORTH_A_RECONNECT = frozenset({429, 503})


class LiveHandlers:
    """Answer the requests for live changes."""

    def __init__(self, upstream: Upstream, streams: EventStreams) -> None:
        """Open at most as many streams as `streams` allows."""
        self._upstream = upstream
        self._streams = streams

    async def stream(self, request: Request) -> Response:
        """Follow one or more types live: everything after the checkpoint, then what is committed, as it is committed.

        Each event is a JSON object with `changes`, oldest first, and `checkpoint_token`, which is also the event's id:
        a reconnecting EventSource resumes by it. An event without changes is a heartbeat. An event named `closed` says
        why the stream ends where reconnecting will not help. With a ticket, a refusal is also such an event, and its
        status 200: an EventSource sees no other.
        """
        parameters = request.query_params.multi_items()
        query = translate.stream_request(parameters, header(request, "Last-Event-ID"))
        ticket = checked("ticket", translate.single(parameters, "ticket"))
        caller = Caller(request_id=request.state.request_id, ticket=ticket) if ticket else caller_of_session(request)
        return EventStream(self._streams, self._events(query, caller), _told_by_events if ticket else None)

    async def ticket(self, request: Request) -> Response:
        """Make a ticket: it opens one stream, within a minute, as `ticket` in its URL.

        With `entity_type` it is good for these types alone, so that less can be done with a URL that others see.
        """
        entity_types = translate.ticket_types(request.query_params.multi_items())
        issued = await self._upstream.create_ticket(caller_of_session(request), entity_types)
        answer = TicketAnswer(IssuedTicket(issued.ticket, timestamps.text_of(issued.expire_time)))
        return json_answer(answer)

    async def _events(self, query: sync_pb2.StreamPullRequest, caller: Caller) -> AsyncGenerator[bytes, None]:
        first = f"retry: {RECONNECT_MS}\n".encode()
        try:
            async for message in self._upstream.stream(query, caller):
                data = msgspec.json.encode(translate.streamed(message))
                yield first + event(data, event_id=message.checkpoint_token)
                first = b""
        except RefusedError as refused:
            if first:
                raise
            if closed := _closed(refused.failure):
                yield closed


def _told_by_events(failure: Failure) -> bytes:
    """Return the whole answer to an EventSource that was refused: it comes back, or is told why it should not."""
    return f"retry: {RECONNECT_MS}\n\n".encode() + _closed(failure)


def _closed(failure: Failure) -> bytes:
    """Return the event that says why a stream ends; empty: coming back will help."""
    if failure.http_status in _WORTH_A_RECONNECT:
        return b""
    return event(bytes(errors.answer(failure).body), name=CLOSED_EVENT)
