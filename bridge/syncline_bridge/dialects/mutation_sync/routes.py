"""Where this dialect is served, and how each operation is documented."""

from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response

from syncline import words
from syncline_bridge.caller import Caller, header, id_header, once_a_request
from syncline_bridge.describe.operation import Described, Failures, Operation, json_of
from syncline_bridge.describe.pieces import FAILURES, PROJECT_KEY, SESSION_TOKEN, api_key, parameter
from syncline_bridge.dialects.mutation_sync import examples, mutations, parameters, translate
from syncline_bridge.dialects.mutation_sync.errors import page_too_large, unprocessable
from syncline_bridge.dialects.mutation_sync.models import (
    Head,
    HeadAnswer,
    MutationBatch,
    MutationErrorAnswer,
    MutationPage,
    MutationsAnswer,
)
from syncline_bridge.dialects.mutation_sync.settings import MutationSyncSettings
from syncline_bridge.edge.answers import json_answer
from syncline_bridge.edge.event_stream import EventStreams
from syncline_bridge.failure import RefusedError, invalid
from syncline_bridge.upstream import Upstream

PATHS = ("/v1/sync", "/auth/v1/sync")  # the protocol's own, and under the prefix that deployments give it
HEAD_HEADER = "X-Mutation-At"
KEY_HEADER = "Idempotency-Key"

SECURITY_SCHEMES: Mapping[str, Described] = {
    "client_id": api_key("X-Client-Id", PROJECT_KEY),
    "auth_token": api_key("X-Auth-Token", "A user's session token."),
    "session_token": SESSION_TOKEN,
}
_SECURITY: Sequence[Mapping[str, Sequence[str]]] = (
    {"client_id": (), "auth_token": ()},
    {"client_id": (), "session_token": ()},
)

_FAILURES = Failures(
    MutationErrorAnswer,
    {
        **FAILURES,
        400: "There is no `x-client-id`, or the body is not JSON.",
        403: "The session may not write one of these resources.",
        404: "A mutation names a resource that is not there; nothing was applied.",
        409: "`lastMutationAt` is not the head; nothing was applied. Get what is new, then try again.",
        422: "The request is malformed; the message names the place. Or its `Idempotency-Key` is that of another one.",
        502: "The server's answer makes no sense.",
        504: "The server did not answer in time.",
    },
)


class Handlers:
    """Answer the two requests of the dialect."""

    def __init__(self, upstream: Upstream, settings: MutationSyncSettings) -> None:
        self._upstream = upstream
        self._settings = settings

    async def pull(self, request: Request) -> Response:
        """Get what changed after a time, oldest first, each resource in its latest state."""
        caller = caller_of(request)
        pairs = request.query_params.multi_items()
        query = parameters.pull_query(pairs, self._settings.page_size, self._settings.mutation_max_page_size)
        try:
            response = await self._upstream.pull(translate.pull_request(query), caller)
        except RefusedError as refused:
            if refused.failure.reason == "ANSWER_TOO_LARGE":
                raise page_too_large() from refused
            raise
        if query.metadata_only:
            head = translate.client_head(response.head_ms)
            return json_answer(HeadAnswer(True, Head(head)), headers=_with_head(head))
        return _answer(translate.pulled(query, response))

    async def push(self, request: Request) -> Response:
        """Apply mutations, all or none, if `lastMutationAt` is the user's head."""
        caller = caller_of(request)
        expected_head_ms = parameters.expected_head_ms(request.query_params.multi_items())
        max_mutations = self._settings.mutation_max_batch_size
        push_id = _push_id(request)
        checked = mutations.read_mutations(await request.body(), max_mutations)
        push = translate.push_of(checked, expected_head_ms, push_id)
        try:
            response = await self._upstream.push(push.request, caller)
        except RefusedError as refused:
            raise RefusedError(translate.located(refused.failure, push)) from refused
        return _answer(translate.pushed(push, response, max_mutations))


def operations(upstream: Upstream, _: EventStreams, settings: MutationSyncSettings) -> Sequence[Operation]:
    """Make what this dialect serves."""
    handlers = Handlers(upstream, settings)
    return (
        Operation(
            method="GET",
            paths=PATHS,
            handler=handlers.pull,
            content=json_of(MutationsAnswer, HeadAnswer),
            failures=_FAILURES.without(404, 409),
            security=_SECURITY,
            parameters=_pull_parameters(settings),
            examples=examples.PULL,
            headers=_HEADERS,
            is_hot=True,
        ),
        Operation(
            method="POST",
            paths=PATHS,
            handler=handlers.push,
            content=json_of(MutationsAnswer),
            failures=_FAILURES,
            security=_SECURITY,
            parameters=(_LAST_MUTATION_AT, _KEY),
            body=MutationBatch,
            examples=examples.PUSH,
            headers=_HEADERS,
            is_hot=True,
        ),
    )


@once_a_request
def caller_of(request: Request) -> Caller:
    """Take the credentials from a request's headers."""
    client_id = header(request, "X-Client-Id")
    if not client_id:
        raise RefusedError(invalid("Missing x-client-id"))
    token = header(request, "X-Auth-Token")
    return Caller(
        request_id=request.state.request_id,
        api_key=client_id,
        authorization=f"Bearer {token}" if token else header(request, "Authorization"),
        user_id=id_header(request, "X-User-Id"),
    )


def _push_id(request: Request) -> str:
    """Return the key of a retry, which may be a quoted string (RFC 8941); empty: there is none."""
    text = header(request, KEY_HEADER)
    push_id = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if problem := words.push_id_problem(push_id):
        raise unprocessable(f'"{KEY_HEADER}" {problem}')
    return push_id


def _answer(page: MutationPage) -> Response:
    return json_answer(MutationsAnswer(True, page), headers=_with_head(page.last_mutation_at))


def _with_head(head: int) -> dict[str, str]:
    return {HEAD_HEADER: str(head)}


_HEADERS: Described = {
    HEAD_HEADER: {"description": "The user's head, as `lastMutationAt`.", "schema": {"type": "integer"}}
}
_NAMES = f"^ *({words.ENTITY_TYPE_PATTERN} *)?(, *({words.ENTITY_TYPE_PATTERN} *)?)*$"
_LAST_MUTATION_AT = parameter(
    "lastMutationAt",
    {"type": "integer", "minimum": -1},
    "The head from the last answer; -1 for a user without mutations.",
    required=True,
    example=-1,
)
_KEY = parameter(
    KEY_HEADER,
    {"type": "string", "pattern": f"^[ -~]{{0,{words.MAX_PUSH_ID_BYTES}}}$"},
    "An addition: names this request, so that it is applied once however often and late it comes; again it is answered "
    "as the first time, not with 409. A random UUID, kept until it is answered. The server remembers the last 64 of a "
    "user for a day.",
    where="header",
)


def _pull_parameters(settings: MutationSyncSettings) -> Sequence[Described]:
    size = {
        "type": "integer",
        "minimum": 1,
        "maximum": settings.mutation_max_page_size,
        "default": settings.page_size,
    }
    return (
        parameter(
            "mutationsSince", {"type": "number"}, "Milliseconds; 0 and -1: everything.", required=True, example=-1
        ),
        parameter("resources", {"type": "string", "pattern": _NAMES}, "Resources separated by commas; all by default."),
        parameter("metadataOnly", {"type": "boolean", "default": False}, "Answer the head alone."),
        parameter("limit", size, "Mutations on a page."),
        parameter(
            "page",
            {"type": "integer", "minimum": 1},
            "From 1. What changes meanwhile comes again on a later page; within a day, no page skips anything.",
        ),
        parameter(
            "cursor", {"type": "string"}, "`nextCursor` of the page before, in place of `page`; empty: the first page."
        ),
    )
