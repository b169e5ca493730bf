"""The pieces of an OpenAPI document that every dialect needs: parameters, credentials, streams, what failures mean."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from syncline_bridge.describe.operation import Described, reference

FAILURES: Mapping[int, str] = MappingProxyType(
    {
        401: "The key or the session token is missing, unknown, bad or expired.",
        408: "The body did not arrive in time.",
        413: "The body or the answer is over the limit.",
        415: "The body is compressed in another way than gzip.",
        429: "Too many requests; wait as long as Retry-After says.",
        500: "A defect.",
        503: "The server or its database is away, or restarting; try again after Retry-After.",
    }
)
"""What can come of any request, whatever its dialect."""

PROJECT_KEY = "The project's client key; or a server key, with the user in `X-User-Id` in place of a session token."
SESSION_TOKEN: Described = {"type": "http", "scheme": "bearer", "description": "The session token of a user."}


def api_key(name: str, description: str, where: str = "header") -> Described:
    """Describe a credential in a header or in the query."""
    return {"type": "apiKey", "in": where, "name": name, "description": description}


def parameter(
    name: str,
    schema: Described,
    description: str = "",
    *,
    where: str = "query",
    required: bool = False,
    example: Any = None,
) -> Described:
    """Describe a parameter of the query or a header; without an example, whoever shows it makes one of its pattern."""
    described = {"description": description} if description else {}
    shown = {} if example is None else {"example": example}
    return {"name": name, "in": where, "required": required, **described, **shown, "schema": schema}


def events_of(models: Sequence[type[msgspec.Struct]], names: Sequence[str], event_id: str) -> Described:
    """Describe server-sent events whose data is one of these structs; `event_id` says what an id is good for."""
    schema: Described = {
        "description": "One event, as OpenAPI 3.2 has them.",
        "type": "object",
        "properties": {
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"anyOf": [reference(model) for model in models]},
            },
            "id": {"type": "string", "description": event_id},
            "event": {"type": "string", "enum": list(names)},
            "retry": {"type": "integer", "description": "Milliseconds."},
        },
        "required": ["data"],
    }
    return {"text/event-stream": {"schema": schema}}
