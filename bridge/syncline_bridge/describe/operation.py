"""What an operation is, one method at one or more paths, and how it goes into the OpenAPI document."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import cleandoc
from typing import Any, Final, get_args, get_origin

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from syncline_bridge.describe.examples import Examples, with_examples
from syncline_bridge.describe.handling import IGNORED_PARAMETERS, Handler, naming_ignored, tagged

Described = Mapping[str, Any]
"""A piece of an OpenAPI document."""

_IGNORED: Described = {
    "description": "The names of parameters of the query that are not known and have been ignored, percent-encoded.",
    "schema": {"type": "string"},
}
_TAG: Described = {
    "description": "Stands for this answer: sent as `If-None-Match`, it makes the next one 304 while nothing changes.",
    "schema": {"type": "string"},
}
_IF_NONE_MATCH: Described = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of an answer that the client holds.",
    "schema": {"type": "string"},
}


_A_LINE: Final[Described] = {"text/plain": {"schema": {"type": "string"}}}


@dataclass(frozen=True, slots=True)
class Failures:
    """How operations of one dialect fail: the struct that they answer with, and what each status means."""

    model: type[msgspec.Struct] | None
    """None: a line of plain text."""
    sentences: Mapping[int, str]

    def without(self, *statuses: int) -> "Failures":
        """Return those of an operation that never answers with these statuses."""
        return Failures(self.model, {status: text for status, text in self.sentences.items() if status not in statuses})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method at one or more paths; the docstring of its handler is part of the document."""

    method: str
    paths: tuple[str, ...]
    """The document has the first, and names the others beside it."""
    handler: Callable[[Request], Awaitable[Response]]
    content: Described
    """The content of an answer that went well."""
    failures: Failures
    security: Sequence[Mapping[str, Sequence[str]]]
    """Each of these sets of credentials will do."""
    parameters: Sequence[Described] = ()
    body: type[msgspec.Struct] | type[list[Any]] | None = None
    """A struct, or a list of one kind of them."""
    examples: Examples = field(default_factory=Examples)
    headers: Described = field(default_factory=dict)
    """The headers of an answer that went well."""
    is_stream: bool = False
    """Whether an answer lasts: such requests are bounded by the limit of streams, not by that of requests."""
    is_hot: bool = False
    """Whether it is asked for so often that the edge is to take the short way to it."""
    in_pieces: bool = False
    """Whether an answer may be sent before all of it is known, so that it has no tag."""

    @property
    def is_page(self) -> bool:
        """Whether an answer is one that a client may hold already."""
        return self.method == "GET" and not self.is_stream and not self.in_pieces

    def __post_init__(self) -> None:
        assert not (self.is_hot and "{" in "".join(self.paths)), "the edge knows these by their whole path"
        assert not (self.is_hot and (self.is_stream or self.in_pieces)), "the short way waits for the whole answer"
        assert not self.is_hot or self.method == "GET" or self.body is not None, "the short way knows a body or none"


def json_of(*models: type[msgspec.Struct] | type[list[Any]]) -> Described:
    """Describe a JSON body that is one of these structs."""
    references = [reference(model) for model in models]
    return {"application/json": {"schema": references[0] if len(references) == 1 else {"anyOf": references}}}


def reference(model: type[msgspec.Struct] | type[list[Any]]) -> Described:
    """Name the schema of a struct, or of a list of them."""
    if get_origin(model) is list:
        return {"type": "array", "items": reference(*get_args(model))}
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def router_of(name: str, operations: Sequence[Operation], security_schemes: Mapping[str, Described]) -> APIRouter:
    """Serve operations, under a name that groups them in the document."""
    router = APIRouter(tags=[name])
    for operation in operations:
        handler = handler_of(operation, security_schemes)
        summary, description = _words(operation)
        for path in operation.paths:
            router.add_api_route(
                path,
                handler,
                methods=[operation.method],
                summary=summary,
                description=description,
                include_in_schema=path == operation.paths[0],
                response_model=None,
                response_class=Response,  # else an answer of JSON is described beside a stream
                responses=_answers(operation),
                openapi_extra=_request(operation),
            )
    return router


def _words(operation: Operation) -> tuple[str, str]:
    """Return what an operation is for, in a sentence, and what else is to know of it."""
    summary, _, rest = cleandoc(operation.handler.__doc__ or "").partition(".")
    others = ", ".join(f"`{path}`" for path in operation.paths[1:])
    return summary, "\n\n".join(filter(None, (rest.strip(), f"Also at {others}." if others else "")))


def handler_of(operation: Operation, security_schemes: Mapping[str, Described]) -> Handler:
    """Return the handler with what every operation gets."""
    schemes = [security_schemes[name] for needed in operation.security for name in needed]
    described = (*operation.parameters, *schemes)
    handler = tagged(operation.handler) if operation.is_page else operation.handler
    return naming_ignored(handler, [one["name"] for one in described if one.get("in") == "query"])


def _answers(operation: Operation) -> dict[int | str, dict[str, Any]]:
    headers = {**operation.headers, IGNORED_PARAMETERS: _IGNORED, **({"ETag": _TAG} if operation.is_page else {})}
    model = operation.failures.model
    failed = _A_LINE if model is None else json_of(model)
    shown = operation.examples.answers
    unchanged: dict[int | str, dict[str, Any]] = {
        304: {"description": "The client has this answer already: its `If-None-Match` names it."}
    }
    return {
        200: {
            "description": "Done.",
            "content": with_examples(operation.content, shown.get(200, {})),
            "headers": headers,
        },
        **(unchanged if operation.is_page else {}),
        **{
            status: {"description": text, "content": with_examples(failed, shown.get(status, {}))}
            for status, text in operation.failures.sentences.items()
        },
    }


def _request(operation: Operation) -> dict[str, Any]:
    parameters = (*operation.parameters, *((_IF_NONE_MATCH,) if operation.is_page else ()))
    described = {"parameters": list(parameters), "security": list(operation.security)}
    if operation.body is None:
        return described
    content = with_examples(json_of(operation.body), operation.examples.requests)
    return {**described, "requestBody": {"required": True, "content": content}}
