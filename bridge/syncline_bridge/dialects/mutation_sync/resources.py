"""Which resources this dialect knows, and what makes two mutations speak of the same one: a table and its reading."""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from msgspec import Raw

from syncline_bridge.edge import json_text

Members = Mapping[str, Raw]
"""A JSON object as decoded key → text of the value."""

# Every derived id follows from it, so it never changes.
_NAMESPACE = uuid.UUID("7b0b9d0a-5a53-5f0e-9c55-0c1f8a3f6d21")
_UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"


@dataclass(frozen=True, slots=True)
class KeyMember:
    """One member of a natural key."""

    names: tuple[str, ...]
    """Spellings; the first one present counts."""
    required: bool = False
    default: int | None = None
    ignored_for: frozenset[str] = frozenset()
    """Values of the key's first member that this one says nothing about."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the ids that make up a composite key."""

    names: tuple[str, str]
    """As this dialect always answers it, as its older page spells it."""
    of: str
    """The resource that it names; its natural key, if it has one, may stand for its id."""
    must_exist: bool


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource; with neither key nor parts, its id is whatever it was created with."""

    name: str
    """Also its entity type in the contract."""
    natural_key: tuple[KeyMember, ...] = ()
    parts: tuple[Part, ...] = ()


_TABLE = (
    Resource(
        "BOOKMARK",
        natural_key=(
            KeyMember(("type", "bookmarkType"), required=True),
            KeyMember(("key",), required=True),
            KeyMember(("verseNumber",), ignored_for=frozenset({"surah", "juz", "page"})),
            KeyMember(("mushaf", "mushafId"), default=1),
        ),
    ),
    Resource("COLLECTION"),
    Resource(
        "COLLECTION_BOOKMARK",
        parts=(
            Part(("collectionId", "collection"), of="COLLECTION", must_exist=True),
            Part(("bookmarkId", "bookmark"), of="BOOKMARK", must_exist=False),
        ),
    ),
    Resource("NOTE"),
    Resource("READING_SESSION"),
)
RESOURCES: Mapping[str, Resource] = MappingProxyType({resource.name: resource for resource in _TABLE})


class NamedPart(NamedTuple):
    """A part of a composite key as a request names it."""

    part: Part
    id: str
    by_natural_key: bool


def natural_id(resource: Resource, members: Members) -> str | None:
    """Derive the id of a resource from its natural key; None when it has none, or not all of it is there."""
    if not resource.natural_key:
        return None
    values: list[str | int | None] = []
    for member in resource.natural_key:
        value = _value(member.names, members)
        if isinstance(value, Raw) or (value is None and member.required):
            return None
        ignored = bool(values) and values[0] in member.ignored_for
        values.append(None if ignored else member.default if value is None else value)
    return str(uuid.uuid5(_NAMESPACE, json.dumps([resource.name, *values], separators=(",", ":"))))


def key_members(resource: Resource, members: Members) -> dict[str, Raw]:
    """Return those members that are part of the natural key of a resource, as they are spelled."""
    names = {name for member in resource.natural_key for name in member.names}
    return {name: value for name, value in members.items() if name in names}


def named_parts(resource: Resource, members: Members) -> list[NamedPart] | None:
    """Return the parts of a composite key that a request's data names; None unless it names them all."""
    named = [_named(part, members) for part in resource.parts]
    complete = [part for part in named if part is not None]
    return complete if len(complete) == len(resource.parts) else None


def named_ids(resource: Resource, members: Members) -> dict[str, Raw]:
    """Return the ids of those parts that a request's data names, in this dialect's spelling and in the request's."""
    ids: dict[str, Raw] = {}
    for part in resource.parts:
        named = _named(part, members)
        if named is not None:
            spelled = {part.names[0], *(name for name in part.names if name in members)}
            ids.update(dict.fromkeys(sorted(spelled), Raw(msgspec.json.encode(named.id))))
    return ids


def composite_id(parts: list[NamedPart]) -> str:
    """Return the id of what these parts make up."""
    return "-".join(part.id for part in parts)


def part_names(resource: Resource) -> list[str]:
    """Return every spelling of every part."""
    return [name for part in resource.parts for name in part.names]


def with_parts(resource: Resource, resource_id: str, members: Members) -> dict[str, Raw]:
    """Add the ids of a composite key in all their spellings, where they are not there.

    What another dialect wrote may lack them; then they are read from the composite id, if it is made of UUIDs: any
    other id may contain the `-` that joins it.
    """
    spelled = dict(members)
    for part, from_id in zip(resource.parts, _split(resource, resource_id), strict=False):
        found = _value(part.names, members)
        part_id = found if isinstance(found, str) and found else from_id
        if part_id:
            text = Raw(msgspec.json.encode(part_id))
            spelled.update({name: text for name in part.names if _value((name,), members) is None})
    return spelled


def _named(part: Part, members: Members) -> NamedPart | None:
    given = _value(part.names, members)
    if isinstance(given, str) and given.strip():
        return NamedPart(part, given, by_natural_key=False)
    derived = natural_id(RESOURCES[part.of], members)
    return NamedPart(part, derived, by_natural_key=True) if derived else None


def _value(names: tuple[str, ...], members: Members) -> str | int | Raw | None:
    """Return the first of these members that is there."""
    found = (json_text.scalar(members[name]) for name in names if name in members)
    return next((value for value in found if value is not None), None)


def _split(resource: Resource, resource_id: str) -> tuple[str | None, ...]:
    match = re.fullmatch("-".join(f"({_UUID})" for _ in resource.parts), resource_id)
    return match.groups() if match else (None,) * len(resource.parts)
