"""What the kit adds to every handler of an operation: tags of its answers, and parameters that it does not know."""

from collections.abc import Awaitable, Callable, Collection
from functools import wraps
from hashlib import blake2b
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[[Request], Awaitable[Response]]

IGNORED_PARAMETERS = "X-Ignored-Parameters"
_MOST_NAMED = 10
_MAX_NAME = 50
_OK, _NOT_MODIFIED = 200, 304


def naming_ignored(handler: Handler, known: Collection[str]) -> Handler:
    """Name what the query holds beside the parameters of the operation; the edge puts that into the answer's head."""
    names = frozenset(known)

    @wraps(handler)
    async def handle(request: Request) -> Response:
        # Most have no query, and to find that out of one costs as much as to read one.
        if request.scope["query_string"] and (ignored := [one for one in request.query_params if one not in names]):
            request.state.shown_headers = {IGNORED_PARAMETERS: _listed(ignored)}
        return await handler(request)

    return handle


def tagged(handler: Handler) -> Handler:
    """Give an answer the tag of its content; 304 without content to a client that has it already (RFC 9110, 13.1.2)."""

    @wraps(handler)
    async def handle(request: Request) -> Response:
        response = await handler(request)
        if response.status_code != _OK:
            return response
        # Weak: the same content may go out compressed.
        tag = f'W/"{blake2b(bytes(response.body), digest_size=12).hexdigest()}"'
        response.headers["etag"] = tag
        return _not_modified(response) if _is_held(request, tag) else response

    return handle


def _is_held(request: Request, tag: str) -> bool:
    asked = ",".join(request.headers.getlist("if-none-match"))
    held = {one.strip().removeprefix("W/") for one in asked.split(",")}
    return tag.removeprefix("W/") in held or "*" in held


def _not_modified(response: Response) -> Response:
    kept = {name: value for name, value in response.headers.items() if name not in {"content-type", "content-length"}}
    return Response(status_code=_NOT_MODIFIED, headers=kept)


def _listed(names: list[str]) -> str:
    return ", ".join(quote(name[:_MAX_NAME], safe="[]") for name in names[:_MOST_NAMED])
