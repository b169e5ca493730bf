"""Where this dialect is served, and how each route is documented."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from syncline import words
from syncline_bridge.caller import Caller, header
from syncline_bridge.dialects.mutation_sync import mutations, parameters, translate
from syncline_bridge.dialects.mutation_sync.models import (
    Head,
    HeadAnswer,
    MutationBatch,
    MutationErrorAnswer,
    MutationsAnswer,
)
from syncline_bridge.failure import RefusedError, invalid
from syncline_bridge.upstream import Upstream

PATHS = ("/v1/sync", "/auth/v1/sync")  # the protocol's own, and under the prefix that deployments give it
HEAD_HEADER = "X-Mutation-At"

_KEY = "The project's client key; or a server key, with the user in `X-User-Id` in place of a session token."

SECURITY_SCHEMES: Mapping[str, Mapping[str, Any]] = {
    "client_id": {"type": "apiKey", "in": "header", "name": "X-Client-Id", "description": _KEY},
    "auth_token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token", "description": "A user's session token."},
    "session_token": {"type": "http", "scheme": "bearer", "description": "The session token of a user."},
}
_SECURITY: Sequence[Mapping[str, Sequence[str]]] = (
    {"client_id": (), "auth_token": ()},
    {"client_id": (), "session_token": ()},
)

_FAILURES = {
    400: "There is no `x-client-id`, or the body is not JSON.",
    401: "The key or the session token is missing, unknown, bad or expired.",
    403: "The session may not write one of these resources.",
    404: "A mutation names a resource that is not there; nothing was applied.",
    408: "The body did not arrive in time.",
    409: "`lastMutationAt` is not the head; nothing was applied. Get what is new, then try again.",
    413: "The body or the answer is over the limit.",
    422: "The request is malformed; the message names the place.",
    429: "Too many requests; wait as long as Retry-After says.",
    500: "A defect.",
    502: "The server's answer makes no sense.",
    503: "The server or its database is away, or restarting; try again after Retry-After.",
    504: "The server did not answer in time.",
}
_FAILURES_OF_PULL = {status: text for status, text in _FAILURES.items() if status not in {404, 409}}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much goes into one request and one answer."""

    default_page_size: int
    max_page_size: int
    max_mutations: int


class Handlers:
    """Answer the two requests of the dialect."""

    def __init__(self, upstream: Upstream, limits: Limits) -> None:
        self._upstream = upstream
        self._limits = limits

    async def pull(self, request: Request) -> Response:
        """Get what changed after a time, oldest first, each resource in its latest state."""
        caller = _caller(request)
        query = parameters.pull_query(
            request.query_params.multi_items(), self._limits.default_page_size, self._limits.max_page_size
        )
        response = await self._upstream.pull(translate.pull_request(query), caller)
        if query.metadata_only:
            head = translate.told_head(response.head_ms)
            return _answer(HeadAnswer(True, Head(head)), head)
        page = translate.pulled(query, response)
        return _answer(MutationsAnswer(True, page), page.last_mutation_at)

    async def push(self, request: Request) -> Response:
        """Apply mutations, all or none, if `lastMutationAt` is the user's head."""
        caller = _caller(request)
        expected_head_ms = parameters.expected_head_ms(request.query_params.multi_items())
        checked = mutations.read_mutations(await request.body(), self._limits.max_mutations)
        batch = translate.batch(checked, expected_head_ms)
        try:
            response = await self._upstream.push(batch.request, caller)
        except RefusedError as refused:
            raise RefusedError(translate.located(refused.failure, batch)) from refused
        page = translate.pushed(batch, response, self._limits.max_mutations)
        return _answer(MutationsAnswer(True, page), page.last_mutation_at)


def router(upstream: Upstream, limits: Limits) -> APIRouter:
    """Serve the dialect at each of its paths, with and without a slash at the end."""
    handlers = Handlers(upstream, limits)
    routes = APIRouter(tags=["mutation sync"])
    for path in PATHS:
        for spelling, documented in ((path, True), (f"{path}/", False)):
            routes.add_api_route(
                spelling,
                handlers.pull,
                methods=["GET"],
                responses=_responses([MutationsAnswer, HeadAnswer], _FAILURES_OF_PULL),
                openapi_extra=_documented(_pull_parameters(limits)),
                include_in_schema=documented,
            )
            routes.add_api_route(
                spelling,
                handlers.push,
                methods=["POST"],
                responses=_responses([MutationsAnswer], _FAILURES),
                openapi_extra=_documented([_LAST_MUTATION_AT], {"required": True, "content": _json(MutationBatch)}),
                include_in_schema=documented,
            )
    return routes


def _caller(request: Request) -> Caller:
    client_id = header(request, "X-Client-Id")
    if not client_id:
        raise RefusedError(invalid("Missing x-client-id"))
    token = header(request, "X-Auth-Token")
    return Caller(
        request_id=request.state.request_id,
        api_key=client_id,
        authorization=f"Bearer {token}" if token else header(request, "Authorization"),
        user_id=header(request, "X-User-Id"),
    )


def _answer(answer: msgspec.Struct, head: int) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json", headers={HEAD_HEADER: str(head)})


_NAMES = f"^ *({words.ENTITY_TYPE_PATTERN} *)?(, *({words.ENTITY_TYPE_PATTERN} *)?)*$"
_LAST_MUTATION_AT = {
    "name": "lastMutationAt",
    "in": "query",
    "required": True,
    "description": "The head from the last answer; -1 for a user without mutations.",
    "schema": {"type": "integer", "minimum": -1},
}


def _pull_parameters(limits: Limits) -> list[dict[str, Any]]:
    size = {"type": "integer", "minimum": 1, "maximum": limits.max_page_size, "default": limits.default_page_size}
    return [
        _parameter("mutationsSince", "Milliseconds; 0 and -1: everything.", {"type": "number"}, required=True),
        _parameter("resources", "Resources separated by commas; all by default.", {"pattern": _NAMES}),
        _parameter("metadataOnly", "Answer the head alone.", {"type": "boolean", "default": False}),
        _parameter("limit", "Mutations on a page.", size),
        _parameter("page", "Pages can slip when resources change meanwhile.", {"type": "integer", "minimum": 1}),
        _parameter("cursor", "`nextCursor` of the page before, in place of `page`; empty: the first page.", {}),
    ]


def _parameter(name: str, description: str, schema: Mapping[str, Any], *, required: bool = False) -> dict[str, Any]:
    described = {"type": "string", **schema}
    return {"name": name, "in": "query", "required": required, "description": description, "schema": described}


def _documented(parameters_: list[dict[str, Any]], body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    operation: dict[str, Any] = {"parameters": parameters_, "security": _SECURITY}
    return operation if body is None else {**operation, "requestBody": body}


def _responses(success: list[type[msgspec.Struct]], failures: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    head = {"description": "The user's head, as `lastMutationAt`.", "schema": {"type": "integer"}}
    done = {"description": "Done.", "headers": {HEAD_HEADER: head}, "content": _json(*success)}
    failed: dict[int | str, dict[str, Any]] = {
        status: {"description": description, "content": _json(MutationErrorAnswer)}
        for status, description in failures.items()
    }
    return {200: done, **failed}


def _json(*models: type[msgspec.Struct]) -> dict[str, Any]:
    references = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in models]
    return {"application/json": {"schema": references[0] if len(references) == 1 else {"anyOf": references}}}
