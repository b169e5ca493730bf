"""Which collection a path names, at which version of its schema, and by which member it knows its documents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from syncline import words
from syncline_bridge.dialects.rxdb import errors
from syncline_bridge.failure import RefusedError, invalid

PRIMARY_KEY: Final = "id"
"""The member that is the primary key where the path does not name one."""
MAX_VERSION: Final = 2**31


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as one client has it."""

    name: str
    """The entity type."""
    primary_key: str


def collection_of(path: Mapping[str, str], least_versions: Mapping[str, int]) -> Collection:
    """Read the parameters of a path; raises RefusedError (400, and 426 for a schema that is too old)."""
    name, primary_key = path["collection"], path.get("primaryKey", PRIMARY_KEY)
    if not words.match_entity_type(name):
        raise RefusedError(invalid(f"collection: has to be {words.ENTITY_TYPE_FORM}.", field="collection"))
    if primary_key.startswith("_") or words.has_control(primary_key):
        problem = "must neither begin with _ nor contain control characters"
        raise RefusedError(invalid(f"primaryKey: {problem}.", field="primaryKey"))
    version = whole_number("schemaVersion", path["schemaVersion"], 0, MAX_VERSION)
    if version < (least := least_versions.get(name, 0)):
        raise RefusedError(errors.outdated(name, version, least))
    return Collection(name, primary_key)


def whole_number(name: str, text: str, least: int, most: int) -> int:
    """Read a number that a client sent; raises RefusedError."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise RefusedError(invalid(f"{name}: has to be a whole number from {least} to {most}.", field=name, limit=most))
    return int(text)
