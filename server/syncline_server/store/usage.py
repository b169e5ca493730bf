"""How much of a user is kept, counted."""

from typing import Final

from syncline_server.identity.quotas import Usage
from syncline_server.store.engine import Engines
from syncline_server.store.looking import EngineCatalogue

_USAGE: Final = """
    SELECT coalesce(sum(size_bytes), 0) AS size_bytes, count(DISTINCT entity_type) AS types
    FROM entities WHERE project_id = $1 AND user_id = $2 AND NOT deleted"""


class SqlUsage:
    """Counts in SQL; see identity.quotas.UsageSource."""

    def __init__(self, engines: Engines) -> None:
        """Use these engines."""
        self._catalogue = EngineCatalogue(engines)

    async def usage_of(self, project_id: int, user_id: str) -> Usage:
        """Count what is kept of a user. Raises StoreUnavailable."""
        (found,) = await self._catalogue.rows(_USAGE, project_id, user_id)
        return Usage(int(found["size_bytes"]), int(found["types"]))
