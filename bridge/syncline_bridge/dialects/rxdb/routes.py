"""Where this dialect is served, and how each operation is documented."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from syncline import words
from syncline_bridge.caller import caller_of_session, header
from syncline_bridge.describe.operation import Described, Failures, Operation, json_of
from syncline_bridge.describe.pieces import FAILURES, PROJECT_KEY, SESSION_TOKEN, api_key, events_of, parameter
from syncline_bridge.dialects.rxdb.collection import MAX_VERSION, collection_of, whole_number
from syncline_bridge.dialects.rxdb.live import LiveHandlers
from syncline_bridge.dialects.rxdb.models import DOCUMENT, RxdbDocuments, RxdbRow, RxdbTicket
from syncline_bridge.dialects.rxdb.pages import DEFAULT_LIMIT, MOST_DOCUMENTS, PagesAnswer, Reading
from syncline_bridge.dialects.rxdb.query import checkpoint_of, limit_of
from syncline_bridge.dialects.rxdb.rounds import Rounds
from syncline_bridge.dialects.rxdb.rows import rows_of
from syncline_bridge.dialects.rxdb.settings import RxdbSettings
from syncline_bridge.edge.event_stream import EventStreams
from syncline_bridge.upstream import Upstream

PUSHED_AT = "X-Pushed-At"
_MOST_MICROSECONDS = 253_402_300_799_999_999
"""The end of the year 9999."""

SECURITY_SCHEMES: Mapping[str, Described] = {
    "client_key": api_key("X-Api-Key", PROJECT_KEY),
    "session_token": SESSION_TOKEN,
    "ticket": api_key("ticket", "In place of headers, for EventSource.", where="query"),
}
_BY_SESSION: Mapping[str, Sequence[str]] = {"client_key": (), "session_token": ()}
_BY_TICKET: Mapping[str, Sequence[str]] = {"ticket": ()}

_OUTDATED = {426: "The version of the client's schema is no longer served: the app has to be updated."}
_TICKET_FAILURES = Failures(None, {400: "The request is malformed.", 403: "The key is of the wrong kind.", **FAILURES})
_FAILURES = Failures(
    None,
    {
        400: "The request is malformed; the line names row and document.",
        403: "The key is of the wrong kind, or the session may not use this collection.",
        **FAILURES,
        **_OUTDATED,
    },
)


class Handlers:
    """Answer the requests of the dialect."""

    def __init__(self, upstream: Upstream, settings: RxdbSettings) -> None:
        self._upstream = upstream
        self._least_versions = settings.least_versions

    async def pull(self, request: Request) -> Response:
        """Pull what changed after a checkpoint, oldest first: exactly `limit` documents as long as there are more.

        A checkpoint that is no longer valid starts over from the beginning.
        """
        collection = collection_of(request.path_params, self._least_versions)
        query = request.query_params.multi_items()
        reading = Reading(self._upstream, caller_of_session(request), collection, checkpoint_of(query))
        return PagesAnswer(reading.pieces(limit_of(query)))

    async def push(self, request: Request) -> Response:
        """Push what the client changed; the answer is the current state of each document that lost.

        A row is applied if the stored document equals `assumedMasterState`: JSON values, in whatever order of members
        and spelling of numbers.
        """
        collection = collection_of(request.path_params, self._least_versions)
        rows = rows_of(await request.body(), collection.primary_key)
        sent = header(request, PUSHED_AT)
        pushed_at_us = whole_number(PUSHED_AT, sent, 0, _MOST_MICROSECONDS) if sent else None
        lost = await Rounds(self._upstream, caller_of_session(request), collection, pushed_at_us).write(rows)
        return Response(b"[" + b",".join(lost) + b"]", media_type="application/json")


def operations(upstream: Upstream, streams: EventStreams, settings: RxdbSettings) -> Sequence[Operation]:
    """Make what this dialect serves."""
    handlers, live = Handlers(upstream, settings), LiveHandlers(upstream, streams, settings)
    ticket = Operation(
        method="POST",
        paths=("/rxdb/ticket",),
        handler=live.ticket,
        content=json_of(RxdbTicket),
        failures=_TICKET_FAILURES,
        security=(_BY_SESSION,),
        parameters=(_DEVICE,),
    )
    by_id = _of_collections("/rxdb/{collection}/{schemaVersion}", (_COLLECTION, _VERSION), handlers, live)
    by_other = _of_collections(
        "/rxdb/by-{primaryKey}/{collection}/{schemaVersion}", (_PRIMARY_KEY, _COLLECTION, _VERSION), handlers, live
    )
    return (*by_id, *by_other, ticket)


def _of_collections(
    base: str, in_path: Sequence[Described], handlers: Handlers, live: LiveHandlers
) -> Sequence[Operation]:
    push = Operation(
        method="POST",
        paths=(f"{base}/push",),
        handler=handlers.push,
        content={"application/json": {"schema": {"type": "array", "items": DOCUMENT}}},
        failures=_FAILURES,
        security=(_BY_SESSION,),
        parameters=(*in_path, _PUSHED_AT, _DEVICE),
        body=list[RxdbRow],
    )
    pull = replace(
        push,
        method="GET",
        paths=(f"{base}/pull",),
        handler=handlers.pull,
        content=json_of(RxdbDocuments),
        parameters=(*in_path, _LWT, _ID, _LIMIT, _DEVICE),
        body=None,
        in_pieces=True,
    )
    stream = replace(
        pull,
        paths=(f"{base}/pullStream",),
        handler=live.stream,
        content=events_of((RxdbDocuments,), ("message",), "Where to resume."),
        security=(_BY_SESSION, _BY_TICKET),
        parameters=(*in_path, _LAST_EVENT_ID, _DEVICE),
        in_pieces=False,
        is_stream=True,
    )
    return pull, push, stream


_COLLECTION = parameter(
    "collection", {"type": "string", "pattern": f"^{words.ENTITY_TYPE_PATTERN}$"}, where="path", required=True
)
_VERSION = parameter(
    "schemaVersion",
    {"type": "integer", "minimum": 0, "maximum": MAX_VERSION},
    "The version of the client's schema.",
    where="path",
    required=True,
)
_PRIMARY_KEY = parameter(
    "primaryKey",
    {"type": "string", "pattern": r"^[^_/\x00-\x1F\x7F-\x9F][^/\x00-\x1F\x7F-\x9F]*$"},
    "The member that is the primary key, where it is not `id`.",
    where="path",
    required=True,
)
_LWT = parameter("lwt", {"type": "integer", "minimum": 0, "maximum": words.MAX_REVISION}, "`lwt` of the checkpoint.")
_ID = parameter("id", {"type": "string"}, "`id` of the checkpoint; without it, everything from the start.")
_LIMIT = parameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": MOST_DOCUMENTS, "default": DEFAULT_LIMIT},
    "How many documents to answer with, as long as there are so many.",
)
_LAST_EVENT_ID = parameter("Last-Event-ID", {"type": "string"}, "The last event's id.", where="header")
_PUSHED_AT = parameter(
    PUSHED_AT,
    {"type": "integer", "minimum": 0, "maximum": _MOST_MICROSECONDS},
    "When the push was made, in microseconds since the Unix epoch: the same when it is sent again, so that it is known "
    "again, and another for every other push, however much it is like one before.",
    where="header",
)
_DEVICE = parameter(
    "X-Device-Id",
    {"type": "string", "pattern": "^[ -~]{0,128}$"},
    "The installation that is speaking. Needed where conflicts are merged: without it, the same edit made on two "
    "devices may pass for one that is sent again.",
    where="header",
)
