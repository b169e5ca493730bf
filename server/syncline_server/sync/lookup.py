"""A look-up by ids: what is asked of the store, and what it finds (G1 to G4)."""

from collections.abc import Sequence
from dataclasses import dataclass

from syncline_server.sync.notes import StoredNote


@dataclass(frozen=True, slots=True)
class EntitiesQuery:
    """Asks for the versions of entities of one user by their keys, each named once."""

    project_id: int
    user_id: str
    keys: tuple[str, ...]
    max_bytes: int
    """The most bytes of laid out versions. At least one version is returned whatever its size."""
    note_keys: tuple[str, ...] = ()
    """Of notes to read with them, each named once."""


@dataclass(frozen=True, slots=True)
class StoredEntities:
    """Versions and notes by key, and the user's head, from one snapshot."""

    changes: bytes
    """The versions that there are, in the order of their keys, laid out as in the answer to a push, and joined."""
    user_head: int
    looked_at: int
    """How many keys, from the first, have been looked at."""
    notes: Sequence[StoredNote] = ()
    """Those that there are, in the order of their keys."""
    now_ms: int = 0
    """The store's clock, ms since the Unix epoch, where notes were asked for."""
