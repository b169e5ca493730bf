"""What a change is to those who push it and to those who read it."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from syncline_client.notes import NewNote

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

Data = Mapping[str, Any] | str | bytes
"""A JSON object: a mapping, or JSON text, which is kept as it is."""

Reference = tuple[str, str]
"""Names an entity of a user: its type and its id."""


class Action(StrEnum):
    """What a change does to its entity."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Change:
    """One version of one entity, as the log has it."""

    entity_type: str
    entity_id: str
    action: Action
    """Relative to the position that was read from."""
    data: bytes
    """A JSON object, byte for byte as it is stored; see `json`. A tombstone may have some too."""
    client_timestamp: datetime
    """When its client made it, in UTC."""
    revision: int
    """Its position in the project's log: microseconds since the Unix epoch."""
    created_revision: int
    """Where the entity came into being, or came back after a delete."""
    user_id: str

    def json(self) -> Any:
        """Parse `data`."""
        return json.loads(self.data)


@dataclass(frozen=True, slots=True)
class NewChange:
    """A change to push; see `create`, `update` and `delete`."""

    entity_type: str
    entity_id: str
    action: Action
    data: bytes
    client_timestamp: datetime | None = None
    """None: when it is pushed, or when the latest version that this client has read was made, if that is later. To be
    recognised when another call pushes it again, a change needs one of its own."""
    base_revision: int | None = None
    """When set, all that decides a conflict: the stored revision must equal it (0: there must be none)."""
    only_if_absent: bool = False
    required_entities: tuple[Reference, ...] = ()
    retained_members: tuple[str, ...] = ()
    note: NewNote | None = None
    """Written if, and only if, the change is applied."""

    def __post_init__(self) -> None:
        if self.client_timestamp is not None and self.client_timestamp.tzinfo is None:
            raise ValueError("client_timestamp: needs a time zone")
        if not self.entity_id:
            raise ValueError("entity_id: must not be empty; `create` makes one")


def create(
    entity_type: str,
    entity_id: str | None = None,
    data: Data = b"",
    *,
    client_timestamp: datetime | None = None,
    base_revision: int | None = None,
    only_if_absent: bool = False,
    required_entities: Sequence[Reference] = (),
    note: NewNote | None = None,
) -> NewChange:
    """Put an entity: replace what is there, or revive what was deleted; with `only_if_absent`, leave what is there.

    Without an id it gets a random one, here and not in the server, so that a push sent again makes no second entity.
    """
    return NewChange(
        entity_type,
        entity_id or str(uuid.uuid4()),
        Action.CREATE,
        as_json(data),
        client_timestamp,
        base_revision,
        only_if_absent=only_if_absent,
        required_entities=tuple(required_entities),
        note=note,
    )


def update(
    entity_type: str,
    entity_id: str,
    data: Data,
    *,
    client_timestamp: datetime | None = None,
    base_revision: int | None = None,
    required_entities: Sequence[Reference] = (),
    note: NewNote | None = None,
) -> NewChange:
    """Merge the members of `data` into the stored object, at its top level; an unknown entity is created."""
    return NewChange(
        entity_type,
        entity_id,
        Action.UPDATE,
        as_json(data),
        client_timestamp,
        base_revision,
        required_entities=tuple(required_entities),
        note=note,
    )


def delete(
    entity_type: str,
    entity_id: str,
    data: Data = b"",
    *,
    client_timestamp: datetime | None = None,
    base_revision: int | None = None,
    required_entities: Sequence[Reference] = (),
    retained_members: Sequence[str] = (),
    note: NewNote | None = None,
) -> NewChange:
    """Delete an entity; its tombstone keeps `data`, and the `retained_members` of what was stored."""
    return NewChange(
        entity_type,
        entity_id,
        Action.DELETE,
        as_json(data),
        client_timestamp,
        base_revision,
        required_entities=tuple(required_entities),
        retained_members=tuple(retained_members),
        note=note,
    )


def as_json(data: Data) -> bytes:
    """Return data as JSON text. Raises ValueError for what JSON cannot say, such as NaN."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        return data.encode()
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def revision_at(moment: datetime) -> int:
    """Return the revision of a moment, to read what came after it. Raises ValueError without a time zone."""
    if moment.tzinfo is None:
        raise ValueError("a revision needs a moment with a time zone")
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(revision: int) -> datetime:
    """Return when a revision was committed, in UTC."""
    return _EPOCH + revision * _MICROSECOND
