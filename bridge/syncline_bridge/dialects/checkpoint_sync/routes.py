"""Where this dialect is served, and how each operation is documented."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from syncline_bridge.describe.operation import Described, Failures, Operation, json_of
from syncline_bridge.describe.pieces import FAILURES, PROJECT_KEY, SESSION_TOKEN, api_key, events_of, parameter
from syncline_bridge.dialects.checkpoint_sync import translate
from syncline_bridge.dialects.checkpoint_sync.credentials import caller_of
from syncline_bridge.dialects.checkpoint_sync.live import CLOSED_EVENT, LiveHandlers
from syncline_bridge.dialects.checkpoint_sync.models import (
    ENTITY_TYPE_PATTERN,
    ErrorAnswer,
    PullAnswer,
    PushAnswer,
    PushBody,
    Streamed,
    TicketAnswer,
)
from syncline_bridge.edge import json_text
from syncline_bridge.edge.answers import json_answer
from syncline_bridge.edge.event_stream import EventStreams
from syncline_bridge.knobs import Knobs
from syncline_bridge.upstream import Upstream

PATHS = ("/v1/client/sync", "/client/sync")  # every SDK calls the first, the protocol's page names the second

SECURITY_SCHEMES: Mapping[str, Described] = {
    "client_key": api_key("X-Api-Key", PROJECT_KEY),
    "session_token": SESSION_TOKEN,
    "ticket": api_key("ticket", "In place of headers, for EventSource.", where="query"),
}
_BY_SESSION: Mapping[str, Sequence[str]] = {"client_key": (), "session_token": ()}
_BY_TICKET: Mapping[str, Sequence[str]] = {"ticket": ()}

_FAILURES = Failures(
    ErrorAnswer,
    {
        400: "The request is malformed; the message names the place.",
        403: "The key is of the wrong kind, or the session may not use this type.",
        **FAILURES,
    },
)


class Handlers:
    """Answer the two requests of the dialect."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def push(self, request: Request) -> Response:
        """Push what the client changed."""
        body = json_text.decode(await request.body(), PushBody)
        response = await self._upstream.push(translate.push_request(body), caller_of(request))
        return json_answer(PushAnswer(translate.pushed(response)))

    async def pull(self, request: Request) -> Response:
        """Pull what changed since a checkpoint, up to 100 changes, oldest first."""
        query = translate.pull_request(request.query_params.multi_items())
        response = await self._upstream.pull(query, caller_of(request))
        return json_answer(PullAnswer(translate.pulled(response)))


def operations(upstream: Upstream, streams: EventStreams, _: Knobs) -> Sequence[Operation]:
    """Make what this dialect serves."""
    handlers, live = Handlers(upstream), LiveHandlers(upstream, streams)
    push = Operation(
        method="POST",
        paths=PATHS,
        handler=handlers.push,
        content=json_of(PushAnswer),
        failures=_FAILURES,
        security=(_BY_SESSION,),
        parameters=(_DEVICE,),
        body=PushBody,
    )
    return (
        push,
        replace(
            push,
            method="GET",
            handler=handlers.pull,
            content=json_of(PullAnswer),
            parameters=(_ENTITY_TYPE, _CHECKPOINT_TOKEN, _DEVICE),
            body=None,
        ),
        replace(
            push,
            method="GET",
            paths=tuple(f"{path}/stream" for path in PATHS),
            handler=live.stream,
            content=events_of((Streamed, ErrorAnswer), ("message", CLOSED_EVENT), _EVENT_ID),
            security=(_BY_SESSION, _BY_TICKET),
            parameters=(_ENTITY_TYPES, _LAST_EVENT_ID, _CHECKPOINT_TOKEN, _DEVICE),
            body=None,
            is_stream=True,
        ),
        replace(
            push,
            paths=tuple(f"{path}/ticket" for path in PATHS),
            handler=live.ticket,
            content=json_of(TicketAnswer),
            body=None,
        ),
    )


_EVENT_ID = "Where to resume: the `checkpoint_token`."
_NAME: Described = {"type": "string", "pattern": ENTITY_TYPE_PATTERN}
_ENTITY_TYPE = parameter("entity_type", _NAME, required=True)
_ENTITY_TYPES = parameter(
    "entity_type", {"type": "array", "items": _NAME, "minItems": 1}, "May be repeated.", required=True
)
_LAST_EVENT_ID = parameter(
    "Last-Event-ID", {"type": "string"}, "The last event's id; goes before `checkpoint_token`.", where="header"
)
_CHECKPOINT_TOKEN = parameter(
    "checkpoint_token", {"type": "string"}, "From an earlier answer; without it, everything from the start."
)
_DEVICE = parameter(
    "X-Device-Id",
    {"type": "string", "pattern": "^[ -~]{0,128}$"},
    "The installation that is speaking, if it has a stable id.",
    where="header",
)
