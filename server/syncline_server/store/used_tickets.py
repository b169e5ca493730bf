"""Which tickets were used, in SQL: each opens one stream, whichever process it comes to."""

from typing import Final

from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated

_USE: Final = """
    INSERT INTO used_tickets (id, project_id, expires_at_us) VALUES ($1, $2, $3)
    ON CONFLICT (id, project_id) DO NOTHING"""


class SqlUsedTickets:
    """Keeps used tickets until they have expired; see identity.tickets.UsedTickets."""

    def __init__(self, engines: Engines) -> None:
        """Use these engines."""
        self._engines = engines

    async def use(self, project_id: int, ticket_id: str, expires_at_us: int) -> bool:
        """Note that a ticket is used; False: it was. Raises StoreUnavailable."""
        with translated():
            noted = self._engines.write(_USE, (ticket_id, project_id, expires_at_us))
            return await self._engines.finished(noted) == 1
