"""Whether the body of a POST is well formed: what is checked, in which order, and with which words."""

from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from syncline import words
from syncline_bridge.dialects.mutation_sync.errors import unprocessable
from syncline_bridge.dialects.mutation_sync.models import TYPES, MutationBatch, PushedMutation, Type
from syncline_bridge.dialects.mutation_sync.resources import (
    RESOURCES,
    Members,
    NamedPart,
    Resource,
    composite_id,
    named_parts,
    natural_id,
)
from syncline_bridge.edge import json_text
from syncline_bridge.failure import RefusedError

_MAX_QUOTED = 200
_NOTHING = Raw(b"null")


@dataclass(frozen=True, slots=True)
class CheckedMutation:
    """One well-formed mutation."""

    type: Type
    resource: Resource
    entity_id: str
    """Empty: the server makes one."""
    data: bytes
    """The object as it came; empty where there is none."""
    members: Members
    """The same, taken apart, where the identity of the resource depends on it."""
    parts: list[NamedPart] | None
    """The parts of a composite key, if the request names them."""


def read_mutations(body: bytes, max_mutations: int) -> list[CheckedMutation]:
    """Read a body; raises RefusedError: 400 for what is no strict JSON, 422 that names the first thing wrong."""
    json_text.check(body)
    try:
        batch = msgspec.json.decode(body, type=MutationBatch)
        mutations = msgspec.json.decode(batch.mutations, type=list[Raw])
    except msgspec.DecodeError:
        raise unprocessable("Invalid mutations", field="mutations") from None
    if len(mutations) > max_mutations:
        problem = f"Mutations must not exceed {max_mutations}"
        raise unprocessable(problem, field="mutations", limit=max_mutations)
    return [_Reader(index, raw).read() for index, raw in enumerate(mutations)]


class _Reader:
    """Reads one mutation; each step raises what is wrong with it."""

    def __init__(self, index: int, raw: Raw) -> None:
        self._index = index
        try:
            self._pushed = msgspec.json.decode(raw, type=PushedMutation)
        except msgspec.DecodeError:
            self._pushed = PushedMutation()

    def read(self) -> CheckedMutation:
        resource = RESOURCES[self._word(self._pushed.resource, "resource", "resource", list(RESOURCES))]
        kind: Any = self._word(self._pushed.type, "type", "mutation type", list(TYPES))
        resource_id = self._given_id()
        if not (resource_id or kind == "CREATE" or resource.parts):
            raise self._refused("Missing resourceId", "resourceId")
        data = self._data(kind)
        members: Members = msgspec.json.decode(data or b"{}", type=dict[str, Raw]) if _needs_members(resource) else {}
        parts = named_parts(resource, members) if resource.parts else None
        entity_id = self._entity_id(kind, resource, resource_id, members, parts)
        return CheckedMutation(kind, resource, entity_id, data, members, parts)

    def _word(self, raw: Raw | UnsetType, field: str, what: str, known: list[str]) -> str:
        value = json_text.scalar(_raw(raw))
        if value is None or value == "":
            raise self._refused(f"Missing {what}", field)
        if isinstance(value, str) and value in known:
            return value
        text = value if isinstance(value, str) else bytes(_raw(raw)).decode()
        raise self._refused(f'Invalid {what}: "{text[:_MAX_QUOTED]}"', field)

    def _given_id(self) -> str:
        """Return the id that the mutation gives; empty when it gives none."""
        value = json_text.scalar(_raw(self._pushed.resource_id))
        if value is None:
            return ""
        if not isinstance(value, str) or not _is_id(value):
            raise self._refused("Invalid resourceId", "resourceId")
        return value

    def _data(self, kind: Type) -> bytes:
        data = bytes(_raw(self._pushed.data))
        if data.startswith(b"{"):
            return data
        if kind != "DELETE":
            raise self._refused("Missing data", "data")
        return b""

    def _entity_id(
        self, kind: Type, resource: Resource, resource_id: str, members: Members, parts: list[NamedPart] | None
    ) -> str:
        """Return the id that the mutation comes to: given, derived, or (empty) the server's to make."""
        if not resource.parts:
            return resource_id or natural_id(resource, members) or ""
        if parts is None and (kind == "CREATE" or not resource_id):
            raise self._refused("Missing data", "data")
        composed = composite_id(parts) if parts else resource_id
        if not _is_id(composed) or composed != (resource_id or composed):
            raise self._refused("Invalid resourceId", "resourceId")
        return composed

    def _refused(self, problem: str, field: str) -> RefusedError:
        return unprocessable(f"{problem} at mutation[{self._index}]", index=self._index, field=field)


def _needs_members(resource: Resource) -> bool:
    return bool(resource.parts or resource.natural_key)


def _raw(value: Raw | UnsetType) -> Raw:
    return _NOTHING if value is UNSET else value


def _is_id(text: str) -> bool:
    """Tell whether the contract takes this for an entity id; a blank one, which it would, is none in this dialect."""
    return bool(text.strip()) and words.id_problem(text) is None
