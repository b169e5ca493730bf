"""How much of a user is kept, counted."""

from typing import Final

from syncline_server.identity.quotas import Usage
from syncline_server.store.engine import Engines
from syncline_server.store.looking import EngineCatalogue

_USAGE: Final = """
    SELECT coalesce(sum(size_bytes), 0) AS size_bytes, count(DISTINCT entity_type) AS types
    FROM entities WHERE project_id = $1 AND user_id = $2 AND NOT deleted"""

_NOTE_BYTES: Final = """
    SELECT coalesce(sum(length(value) + length(name)), 0) AS size_bytes
    FROM notes WHERE project_id = $1 AND owner = $2"""


class SqlUsage:
    """Counts in SQL; see identity.quotas.UsageSource."""

    def __init__(self, engines: Engines) -> None:
        """Use these engines."""
        self._catalogue = EngineCatalogue(engines)

    async def usage_of(self, project_id: int, user_id: str) -> Usage:
        """Count what is kept of a user. Raises StoreUnavailable."""
        (found,) = await self._catalogue.rows(_USAGE, project_id, user_id)
        return Usage(int(found["size_bytes"]), int(found["types"]))

    async def note_bytes_of(self, project_id: int, user_id: str) -> int:
        """Count the bytes of a user's notes. Raises StoreUnavailable."""
        (found,) = await self._catalogue.rows(_NOTE_BYTES, project_id, user_id)
        return int(found["size_bytes"])
