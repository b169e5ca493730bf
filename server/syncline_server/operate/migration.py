"""The schema: an operator brings it up to date."""

from syncline_server.store import schema
from syncline_server.store.engine import Engines


async def migrate(engines: Engines) -> str:
    """Bring the schema up to date and return its revision. Raises SchemaNotCurrent and StoreUnavailable."""
    return await schema.migrate(engines)
