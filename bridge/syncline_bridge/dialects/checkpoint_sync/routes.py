"""Where this dialect is served, and how each route is documented."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from syncline_bridge.dialects.checkpoint_sync import translate
from syncline_bridge.dialects.checkpoint_sync.credentials import caller_of
from syncline_bridge.dialects.checkpoint_sync.live import CLOSED_EVENT, STREAM_PARAMETERS, LiveHandlers
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
from syncline_bridge.edge.event_stream import EventStreams
from syncline_bridge.upstream import Upstream

PATHS = ("/v1/client/sync", "/client/sync")  # every SDK calls the first, the protocol's page names the second

STREAM_PATH = "/stream"

_KEY = "The project's client key; or a server key, with the user in `X-User-Id` in place of a session token."

SECURITY_SCHEMES: Mapping[str, Mapping[str, Any]] = {
    "client_key": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": _KEY},
    "session_token": {"type": "http", "scheme": "bearer", "description": "The session token of a user."},
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "In place of headers, for EventSource.",
    },
}
_BY_SESSION: Mapping[str, Sequence[str]] = {"client_key": (), "session_token": ()}
_BY_TICKET: Mapping[str, Sequence[str]] = {"ticket": ()}

_FAILURES = {
    400: "The request is malformed; the message names the place.",
    401: "The key or the session token is missing, unknown, bad or expired.",
    403: "The key is of the wrong kind, or the session may not use this type.",
    408: "The body did not arrive in time.",
    413: "The body or the answer is over the limit.",
    429: "Too many requests; wait as long as Retry-After says.",
    500: "A defect.",
    503: "The server or its database is away, or restarting; try again after Retry-After.",
}


class Handlers:
    """Answer the two requests of the dialect."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def push(self, request: Request) -> Response:
        """Push what the client changed."""
        body = json_text.decode(await request.body(), PushBody)
        response = await self._upstream.push(translate.push_request(body), caller_of(request))
        return _answer(PushAnswer(translate.pushed(response)))

    async def pull(self, request: Request) -> Response:
        """Pull what changed since a checkpoint, up to 100 changes, oldest first."""
        query = translate.pull_request(request.query_params.multi_items())
        response = await self._upstream.pull(query, caller_of(request))
        return _answer(PullAnswer(translate.pulled(response)))


def router(upstream: Upstream, streams: EventStreams) -> APIRouter:
    """Serve the dialect at each of its paths."""
    handlers = Handlers(upstream)
    live = LiveHandlers(upstream, streams)
    routes = APIRouter(tags=["checkpoint sync"])
    for path in PATHS:
        routes.add_api_route(
            path,
            handlers.push,
            methods=["POST"],
            responses=_responses(PushAnswer),
            openapi_extra=_documented([_DEVICE], {"required": True, "content": _json(PushBody)}),
        )
        routes.add_api_route(
            path,
            handlers.pull,
            methods=["GET"],
            responses=_responses(PullAnswer),
            openapi_extra=_documented([_ENTITY_TYPE, _CHECKPOINT_TOKEN, _DEVICE]),
        )
        routes.add_api_route(
            path + STREAM_PATH,
            live.stream,
            methods=["GET"],
            response_model=None,
            responses=_responses(None),
            openapi_extra={
                **_documented([*STREAM_PARAMETERS, _CHECKPOINT_TOKEN, _DEVICE]),
                "security": [_BY_SESSION, _BY_TICKET],
            },
        )
        routes.add_api_route(
            f"{path}/ticket",
            live.ticket,
            methods=["POST"],
            responses=_responses(TicketAnswer),
            openapi_extra=_documented([_DEVICE]),
        )
    return routes


def _answer(answer: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")


_ENTITY_TYPE = {
    "name": "entity_type",
    "in": "query",
    "required": True,
    "schema": {"type": "string", "pattern": ENTITY_TYPE_PATTERN},
}
_CHECKPOINT_TOKEN = {
    "name": "checkpoint_token",
    "in": "query",
    "description": "From an earlier answer; without it, everything from the start.",
    "schema": {"type": "string"},
}
_DEVICE = {
    "name": "X-Device-Id",
    "in": "header",
    "description": "The installation that is speaking, if it has a stable id.",
    "schema": {"type": "string", "pattern": "^[ -~]{0,128}$"},
}


_EVENT: Mapping[str, Any] = {
    "description": "One event, as OpenAPI 3.2 has them.",
    "type": "object",
    "properties": {
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "anyOf": [{"$ref": f"#/components/schemas/{model.__name__}"} for model in (Streamed, ErrorAnswer)]
            },
        },
        "id": {"type": "string", "description": "Where to resume: the `checkpoint_token`."},
        "event": {"type": "string", "enum": ["message", CLOSED_EVENT]},
        "retry": {"type": "integer", "description": "Milliseconds."},
    },
    "required": ["data"],
}
_EVENTS = {"text/event-stream": {"schema": _EVENT}}


def _documented(parameters: list[dict[str, Any]], body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    operation: dict[str, Any] = {"parameters": parameters, "security": [_BY_SESSION]}
    return operation if body is None else {**operation, "requestBody": body}


def _responses(success: type[msgspec.Struct] | None) -> dict[int | str, dict[str, Any]]:
    failures: dict[int | str, dict[str, Any]] = {
        status: {"description": description, "content": _json(ErrorAnswer)} for status, description in _FAILURES.items()
    }
    content = _EVENTS if success is None else _json(success)
    return {200: {"description": "Done.", "content": content}, **failures}


def _json(model: type[msgspec.Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
