"""Where this dialect is served, and how each operation is documented."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from syncline_bridge.caller import caller_of_session
from syncline_bridge.describe.operation import Described, Failures, Operation, json_of
from syncline_bridge.describe.pieces import FAILURES, PROJECT_KEY, SESSION_TOKEN, api_key, events_of, parameter
from syncline_bridge.dialects.checkpoint_sync import examples, translate
from syncline_bridge.dialects.checkpoint_sync.live import CLOSED_EVENT, LiveHandlers
from syncline_bridge.dialects.checkpoint_sync.models import (
    ENTITY_ID_PATTERN,
    ENTITY_TYPE_PATTERN,
    EntityAnswer,
    ErrorAnswer,
    GetAnswer,
    GetBody,
    PullAnswer,
    PushAnswer,
    PushBody,
    Streamed,
    TicketAnswer,
)
from syncline_bridge.edge import json_text
from syncline_bridge.edge.answers import json_answer
from syncline_bridge.edge.event_stream import EventStreams
from syncline_bridge.failure import RefusedError
from syncline_bridge.knobs import Knobs
from syncline_bridge.upstream import Upstream

PATHS = ("/client/sync", "/v1/client/sync")  # the protocol's page names the first, every SDK calls the second

_COLLECTION = "/client/entities"
_ENTITIES = (_COLLECTION, f"/v1{_COLLECTION}")

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


_FAILURES_OF_ONE = Failures(ErrorAnswer, {**_FAILURES.sentences, 404: "There never was such an entity."})


class Handlers:
    """Answer the requests of the dialect."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def push(self, request: Request) -> Response:
        """Push what the client changed."""
        body = json_text.decode(await request.body(), PushBody)
        response = await self._upstream.push(translate.push_request(body), caller_of_session(request))
        return json_answer(PushAnswer(translate.pushed(response)))

    async def pull(self, request: Request) -> Response:
        """Pull what changed since a checkpoint, up to 100 changes, oldest first.

        After a push that showed no checkpoint token, of an app without a device id, everything comes again behind what
        is new: nobody can tell whether the app has it.
        """
        query = translate.pull_request(request.query_params.multi_items())
        response = await self._upstream.pull(query, caller_of_session(request))
        return json_answer(PullAnswer(translate.pulled(response)))

    async def get(self, request: Request) -> Response:
        """Get entities by their ids, deleted ones too, in the order of the request."""
        body = json_text.decode(await request.body(), GetBody)
        response = await self._upstream.get(translate.get_request(body.entities), caller_of_session(request))
        return json_answer(GetAnswer(translate.found(response)))

    async def get_one(self, request: Request) -> Response:
        """Get an entity by its id; one that is deleted has `action` `delete`, one that never was is 404."""
        reference = translate.reference_of(request.scope["raw_path"], _COLLECTION)
        try:
            response = await self._upstream.get(translate.get_request([reference]), caller_of_session(request))
        except RefusedError as refused:
            raise RefusedError(translate.of_the_one(refused.failure)) from refused
        return json_answer(EntityAnswer(translate.found_one(response)))


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
        examples=examples.PUSH,
        is_hot=True,
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
            examples=examples.PULL,
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
            examples=examples.STREAM,
            is_stream=True,
            is_hot=False,
        ),
        replace(
            push, paths=_ENTITIES, handler=handlers.get, content=json_of(GetAnswer), body=GetBody, examples=examples.GET
        ),
        replace(
            push,
            method="GET",
            paths=tuple(f"{path}/{{entity_type}}/{{entity_id:path}}" for path in _ENTITIES),
            handler=handlers.get_one,
            content=json_of(EntityAnswer),
            failures=_FAILURES_OF_ONE,
            parameters=(_TYPE_IN_PATH, _ID_IN_PATH, _DEVICE),
            body=None,
            examples=examples.GET_ONE,
            is_hot=False,
        ),
        replace(
            push,
            paths=tuple(f"{path}/ticket" for path in PATHS),
            handler=live.ticket,
            content=json_of(TicketAnswer),
            parameters=(_TICKET_TYPES, _DEVICE),
            body=None,
            examples=examples.TICKET,
            is_hot=False,
        ),
    )


_EVENT_ID = "Where to resume: the `checkpoint_token`."
_NAME: Described = {"type": "string", "pattern": ENTITY_TYPE_PATTERN}
_ENTITY_TYPE = parameter("entity_type", _NAME, "Whose changes to read.", required=True, example="todo")
_ENTITY_TYPES = parameter(
    "entity_type", {"type": "array", "items": _NAME, "minItems": 1}, "May be repeated.", required=True, example=["todo"]
)
_TICKET_TYPES = parameter(
    "entity_type", {"type": "array", "items": _NAME}, "What the stream may follow; may be repeated. Without it: all."
)
_TYPE_IN_PATH = parameter("entity_type", _NAME, required=True, where="path", example="todo")
_ID_IN_PATH = parameter(
    "entity_id",
    {"type": "string", "pattern": ENTITY_ID_PATTERN},
    "Percent-encoded.",
    required=True,
    where="path",
    example="milk",
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
    "The installation that is speaking: the promise of one store that keeps its cursor. A page that forgets its cursor "
    "when it is reloaded sends none.",
    where="header",
)
