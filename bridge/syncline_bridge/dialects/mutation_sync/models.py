"""The JSON of this dialect: every key it reads or writes."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from syncline import words
from syncline_bridge.dialects.mutation_sync.resources import RESOURCES

Type = Literal["CREATE", "UPDATE", "DELETE"]
TYPES: tuple[Type, ...] = ("CREATE", "UPDATE", "DELETE")

_RESOURCE: dict[str, Any] = {"type": "string", "enum": list(RESOURCES)}
_OBJECT: dict[str, Any] = {"type": "object", "additionalProperties": True}
_MS = "Milliseconds since the Unix epoch, a whole number."


# Members are taken as they come: what is wrong with them has to be said in this dialect's words and order.
class PushedMutation(msgspec.Struct, frozen=True, rename="camel"):
    """One mutation that a client made."""

    type: Annotated[Raw | UnsetType, Meta(extra_json_schema={"type": "string", "enum": list(TYPES)})] = UNSET
    resource: Annotated[Raw | UnsetType, Meta(extra_json_schema=_RESOURCE)] = UNSET
    resource_id: Annotated[
        Raw | UnsetType,
        Meta(
            description="Needed by UPDATE and DELETE, except where `data` names both ends of a COLLECTION_BOOKMARK.",
            extra_json_schema={"type": ["string", "null"], "minLength": 1, "maxLength": words.MAX_ID_BYTES},
        ),
    ] = UNSET
    data: Annotated[
        Raw | UnsetType,
        Meta(
            description="The resource; for UPDATE the members to merge; not needed for DELETE.",
            extra_json_schema={"type": ["object", "null"], "additionalProperties": True},
        ),
    ] = UNSET


class MutationBatch(msgspec.Struct, frozen=True):
    """A batch of mutations, applied in order, all or none."""

    mutations: Annotated[
        Raw,
        Meta(
            extra_json_schema={
                "type": "array",
                "items": {"$ref": "#/components/schemas/PushedMutation", "required": ["type", "resource"]},
            }
        ),
    ]


class Mutation(msgspec.Struct, frozen=True, rename="camel"):
    """The latest state of a resource."""

    type: Annotated[Type, Meta(description="In a pull CREATE when it was created after `mutationsSince`.")]
    resource: Annotated[str, Meta(extra_json_schema={"enum": list(RESOURCES)})]
    resource_id: Annotated[str, Meta(min_length=1)]
    data: Annotated[
        Raw,
        Meta(
            description="The whole resource; empty for DELETE, except that a COLLECTION_BOOKMARK keeps its two ids.",
            extra_json_schema=_OBJECT,
        ),
    ]
    timestamp: Annotated[int, Meta(description=_MS)]


class MutationPage(msgspec.Struct, frozen=True, rename="camel"):
    """A page of mutations, oldest first."""

    last_mutation_at: Annotated[
        int, Meta(description=f"The user's head over all resources; -1 without any. {_MS}", ge=-1)
    ]
    mutations: list[Mutation]
    page: Annotated[int, Meta(ge=1)]
    limit: Annotated[int, Meta(ge=1)]
    total: Annotated[int, Meta(ge=0)]
    has_more: bool
    next_cursor: Annotated[
        str | UnsetType, Meta(description="Present when there is more: send it as `cursor` for the next page.")
    ] = UNSET


class MutationsAnswer(msgspec.Struct, frozen=True):
    """The answer to a pull or a push."""

    success: Literal[True]
    data: MutationPage


class Head(msgspec.Struct, frozen=True, rename="camel"):
    """Where a user stands."""

    last_mutation_at: Annotated[int, Meta(description=f"The user's head; -1 without any. {_MS}", ge=-1)]


class HeadAnswer(msgspec.Struct, frozen=True):
    """The answer to a pull with `metadataOnly`."""

    success: Literal[True]
    data: Head


class MutationError(msgspec.Struct, frozen=True):
    """Why a request failed."""

    code: str
    message: str


class MutationErrorAnswer(msgspec.Struct, frozen=True):
    """The answer to any request that failed."""

    success: Literal[False]
    message: str
    type: str
    error: MutationError
    details: Annotated[
        Mapping[str, bool | int | str | MutationError],
        Meta(
            description="The same once more, where other clients look for it; and which mutation it is (`index`, from "
            "0), which member of it (`field`), which limit (`limit`, `limitBytes`), where there is one.",
            extra_json_schema={
                "properties": {
                    "success": {"type": "boolean", "const": False},
                    "error": {"$ref": "#/components/schemas/MutationError"},
                    "index": {"type": "integer"},
                    "field": {"type": "string"},
                    "limit": {"type": "integer"},
                    "limitBytes": {"type": "integer"},
                },
                "required": ["success", "error"],
            },
        ),
    ]


DOCUMENTED: tuple[type[msgspec.Struct], ...] = (
    MutationBatch,
    PushedMutation,
    MutationsAnswer,
    HeadAnswer,
    MutationErrorAnswer,
)
