"""The schema: an operator brings it up to date, sees how far that has come, and finishes it."""

from collections.abc import Callable

from syncline_server.store import phases, schema
from syncline_server.store.engine import Engines
from syncline_server.store.phases import MigrationStatus


async def migrate(engines: Engines, progress: Callable[[int, int], None] | None = None) -> MigrationStatus:
    """Bring the schema up to date, and return how far that has come: where servers run meanwhile, more is to do.

    `progress` is told how many rows are done, and of how many, where they have to be waited for. Raises
    SchemaNotCurrent, MigrationRefused, DatabaseInUse and StoreUnavailable.
    """
    await schema.migrate(engines, progress)
    return await phases.status(engines)


async def status(engines: Engines) -> MigrationStatus:
    """Return how far the migration has come. Raises StoreUnavailable."""
    return await phases.status(engines)


async def finish(engines: Engines) -> MigrationStatus:
    """Run the last phase, after which servers of a version before cannot serve.

    Raises MigrationRefused while one is alive or rows are left, SchemaNotCurrent and StoreUnavailable.
    """
    await phases.finish(engines)
    return await phases.status(engines)
