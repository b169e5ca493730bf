"""How a push takes rows of schema 0003, which a migration that is not finished has not come to yet (backfill.py).

A key of 0004 is one of 0003 behind eight characters of its owner.
"""

from collections.abc import Collection
from typing import Final

_OWNER_CHARACTERS: Final = 8
CONVERT: Final = """
    UPDATE entities SET committed_ms = revision / 1000,
        entity_key = ($3::text[])[array_position($2::text[], entity_key COLLATE "default")]
    WHERE entity_key = ANY($2::text[]) AND project_id = $1"""
"""project id, keys of 0003, the same of 0004 → nothing. The project's head is locked."""

MIRROR_HEAD: Final = """
    UPDATE heads SET head = (SELECT max(revision) FROM entities WHERE project_id = $1) WHERE project_id = $1"""
"""project id → nothing. Servers of 0003 read heads where a trigger puts this one."""


def converted_keys(keys: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the keys that entities may still have, and those that they are to have."""
    new = list(keys)
    return [key[_OWNER_CHARACTERS:] for key in new], new
