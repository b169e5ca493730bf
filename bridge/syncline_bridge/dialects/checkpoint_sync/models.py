"""The JSON of this dialect: every key it reads or writes."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from syncline import words

JsonObject = Annotated[Raw, Meta(extra_json_schema={"type": "object", "additionalProperties": True})]
"""An object that is passed on to the byte."""

ENTITY_TYPE_PATTERN = f"^{words.ENTITY_TYPE_PATTERN}$"
"""What is documented of the form of an entity type; the server checks it."""


ENTITY_ID_PATTERN = rf"^[^\x00-\x1F\x7F-\x9F]{{1,{words.MAX_ID_BYTES}}}$"
"""The same of an entity id; its length counts in bytes."""


def _any_case(word: str) -> str:
    """Write the regular expression of a word in any letter case, which has no flag in JSON Schema."""
    return "".join(f"[{letter.upper()}{letter}]" for letter in word)


Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class PushedChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change that a client made."""

    entity_type: Annotated[
        str,
        Meta(
            description="A letter or `_`, then letters, digits, `_ . -`; at most 64.",
            extra_json_schema={"pattern": ENTITY_TYPE_PATTERN},
        ),
    ]
    entity_id: Annotated[
        str,
        Meta(
            description=f"1 to {words.MAX_ID_BYTES} bytes of UTF-8 without control characters.",
            extra_json_schema={"pattern": ENTITY_ID_PATTERN},
        ),
    ]
    action: Annotated[
        str,
        Meta(
            description="`create` (or `insert`), `update` or `delete`, in any letter case.",
            extra_json_schema={"pattern": f"^({'|'.join(map(_any_case, ('create', 'insert', 'update', 'delete')))})$"},
        ),
    ]
    data: Annotated[
        Raw | UnsetType,
        Meta(
            description="The entity; for `update` the members to merge; not needed for `delete`.",
            extra_json_schema={"type": ["object", "null"], "additionalProperties": True},
        ),
    ] = UNSET
    client_timestamp: Annotated[Timestamp, Meta(description="When the client made it: RFC 3339 with offset.")]
    base_revision: Annotated[
        Annotated[int, Meta(ge=0, le=words.MAX_REVISION)] | None,
        Meta(
            description="An addition: the `revision` that the change was made to (0: none). It alone then decides a "
            "conflict, and no clock.",
        ),
    ] = None


class PushBody(msgspec.Struct, frozen=True):
    """A batch of changes, applied in order, all or none."""

    changes: Annotated[list[PushedChange], Meta(description="At most 1,000.")]
    checkpoint_token: Annotated[
        str | None,
        Meta(
            description="What the client has read of these types, as its last token says it; empty: nothing yet. Best "
            "always sent: then the answer's token brings nothing again and skips nothing, whoever shares the session."
        ),
    ] = None
    push_id: Annotated[
        str | None,
        Meta(
            description="An addition: names this batch, so that it is applied once however often and late it comes. A "
            "random UUID, kept with the batch until it is answered. The server remembers the last 64 of a user and "
            "device for a day. Who sends one shows the `checkpoint_token`, too: without it nothing has been read.",
            extra_json_schema={"pattern": f"^[ -~]{{0,{words.MAX_PUSH_ID_BYTES}}}$"},
        ),
    ] = None


class Conflict(msgspec.Struct, frozen=True):
    """A change that lost to the server's version."""

    entity_type: str
    entity_id: str
    resolution: Literal["server_wins"]
    server_data: Annotated[
        Mapping[str, Raw],
        Meta(
            description="The server's version, with `last_synced_at`, and `deleted: true` for a deleted entity.",
            extra_json_schema={
                "properties": {
                    "last_synced_at": {"type": "string", "format": "date-time"},
                    "deleted": {"type": "boolean", "const": True},
                },
                "required": ["last_synced_at"],
                "additionalProperties": True,
            },
        ),
    ]
    revision: Annotated[
        int, Meta(description="An addition: the revision of the server's version; 0 when there is none.")
    ]


class Pushed(msgspec.Struct, frozen=True):
    """What became of a batch."""

    applied: Annotated[int, Meta(description="How many changes are in the log, repeated ones included.")]
    conflicts: list[Conflict]
    checkpoint_token: Annotated[str, Meta(description="A position to pull from without missing anything.")]
    revisions: Annotated[
        list[int],
        Meta(
            description="An addition: the revision that each change got, in order; 0 for one that lost, and for the "
            "delete of what never was. See `base_revision`."
        ),
    ]


class PushAnswer(msgspec.Struct, frozen=True):
    """The answer to a push."""

    data: Pushed


class PulledChange(msgspec.Struct, frozen=True, gc=False):
    """The latest version of an entity."""

    entity_type: str
    entity_id: str
    action: Annotated[
        Literal["create", "update", "delete"],
        Meta(
            description="`create` when it came into being since the checkpoint; asked for by its id, when it never "
            "changed since."
        ),
    ]
    data: Annotated[JsonObject, Meta(description="The whole entity; empty for `delete`.")]
    client_timestamp: Timestamp
    revision: Annotated[int, Meta(description="An addition: identifies this version; see `base_revision`.")]


class Pulled(msgspec.Struct, frozen=True):
    """A page of changes: what is new, oldest first, then what comes again."""

    changes: Annotated[list[PulledChange], Meta(description="At most 100.")]
    checkpoint_token: Annotated[str, Meta(description="Where to go on from.")]
    has_more: Annotated[bool, Meta(description="Whether there is more right now.")]
    reset: Annotated[
        bool | UnsetType, Meta(description="Present and true when the token was no longer valid: a full sync.")
    ] = UNSET


class PullAnswer(msgspec.Struct, frozen=True):
    """The answer to a pull."""

    data: Pulled


class Reference(msgspec.Struct, frozen=True):
    """Names an entity."""

    entity_type: Annotated[str, Meta(extra_json_schema={"pattern": ENTITY_TYPE_PATTERN})]
    entity_id: Annotated[str, Meta(extra_json_schema={"pattern": ENTITY_ID_PATTERN})]


class GetBody(msgspec.Struct, frozen=True):
    """Asks for entities."""

    entities: Annotated[list[Reference], Meta(description=f"At most {words.MAX_REFERENCES:,}; each is answered once.")]


class Found(msgspec.Struct, frozen=True):
    """The entities that ever were, in the order of the request, as they are at one moment."""

    entities: list[PulledChange]
    unread: Annotated[
        int,
        Meta(description="So many references at the end were not looked at, as the answer was cut by size: ask again."),
    ]


class GetAnswer(msgspec.Struct, frozen=True):
    """The answer to a request for entities."""

    data: Found


class EntityAnswer(msgspec.Struct, frozen=True):
    """The answer to a request for one entity."""

    data: PulledChange


class Streamed(msgspec.Struct, frozen=True):
    """The data of an event: changes, or only a checkpoint."""

    changes: Annotated[list[PulledChange], Meta(description="Oldest first.")]
    checkpoint_token: Annotated[str, Meta(description="Where to resume; also the event's id.")]
    caught_up: Annotated[bool | UnsetType, Meta(description="Present and true once: all there was is there.")] = UNSET
    reset: Annotated[
        bool | UnsetType, Meta(description="Present and true in the first event when the token was no longer valid.")
    ] = UNSET


class IssuedTicket(msgspec.Struct, frozen=True):
    """A ticket for a stream."""

    ticket: str
    expires_at: Timestamp


class TicketAnswer(msgspec.Struct, frozen=True):
    """The answer to a request for a ticket."""

    data: IssuedTicket


class Error(msgspec.Struct, frozen=True):
    """Why a request failed."""

    code: str
    message: str
    details: Mapping[str, int | str] | UnsetType = UNSET


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The answer to any request that failed."""

    error: Error


DOCUMENTED: tuple[type[msgspec.Struct], ...] = (
    PushBody,
    PushAnswer,
    PullAnswer,
    GetBody,
    GetAnswer,
    EntityAnswer,
    Streamed,
    TicketAnswer,
    ErrorAnswer,
)
