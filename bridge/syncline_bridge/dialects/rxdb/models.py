"""The JSON of this dialect: every key that it reads or writes, but for those of documents."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

DOCUMENT: Mapping[str, Any] = {
    "description": "A whole document: its primary key, `_deleted`, and the members of its schema.",
    "type": "object",
    "properties": {"_deleted": {"type": "boolean"}},
    "required": ["_deleted"],
    "additionalProperties": True,
}
"""Its JSON Schema."""

Document = Annotated[Raw, Meta(extra_json_schema=dict(DOCUMENT))]
"""A document that is passed on to the byte."""


class RxdbRow(msgspec.Struct, frozen=True):
    """What a client has made of one document."""

    newDocumentState: Document  # noqa: N815  # the names are the library's
    assumedMasterState: Annotated[  # noqa: N815
        Raw | UnsetType,
        Meta(
            description="What the client takes the server's document to be; absent or null: there is none.",
            extra_json_schema={"type": ["object", "null"], "additionalProperties": True},
        ),
    ] = UNSET


class RxdbCheckpoint(msgspec.Struct, frozen=True):
    """Where to go on from; `lwt` and `id` of the next pull."""

    id: Annotated[str, Meta(description="A position in the log; safe in a URL as it is.")]
    lwt: Annotated[int, Meta(description="The revision of the last document, for people to read.")]


class RxdbDocuments(msgspec.Struct, frozen=True):
    """Documents, oldest first, as they are now; the same one may come twice, and then the later one counts."""

    documents: list[Document]
    checkpoint: RxdbCheckpoint


class RxdbTicket(msgspec.Struct, frozen=True):
    """A ticket for a stream."""

    ticket: str


DOCUMENTED: tuple[type[msgspec.Struct], ...] = (RxdbRow, RxdbDocuments, RxdbTicket)
