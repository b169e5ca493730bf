"""What is left of a project that is being deleted, and how its rows go: in batches, beside whatever else is pushed."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete

from syncline_server.store import audit
from syncline_server.store.audit import Act
from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.tables import metadata, projects

_BATCH_ROWS: Final = 500
_BEGUN: Final = "SELECT id, name, delete_at_us FROM projects WHERE delete_at_us IS NOT NULL ORDER BY id"
_LIVING: Final = """
    SELECT user_id, entity_type, entity_id, revision FROM entities
    WHERE project_id = $1 AND revision > $2 AND NOT deleted ORDER BY revision LIMIT $3"""
_LARGE: Final = {
    "entities": "revision",
    "session_positions": "session_key",
    "push_ids": "push_key",
    "notes": "note_key",
    "used_tickets": "id",
}
"""Tables of as many rows as users make, with the column that an index of theirs is in the order of."""
_NEXT: Final = """
    SELECT {column} AS place FROM {table} WHERE project_id = $1 AND {column} > $2 ORDER BY {column} LIMIT $3"""
_REMOVE: Final = "DELETE FROM {table} WHERE project_id = $1 AND {column} > $2 AND {column} <= $3"


@dataclass(frozen=True, slots=True)
class DeletedProject:
    """A project that is being deleted."""

    id: int
    name: str
    delete_at_us: int
    """When its rows go."""


@dataclass(frozen=True, slots=True)
class LiveEntity:
    """An entity that is no tombstone."""

    user_id: str
    entity_type: str
    entity_id: str
    revision: int


async def begun(engines: Engines) -> list[DeletedProject]:
    """Return the projects that are being deleted. Raises StoreUnavailable."""
    return [DeletedProject(**row) for row in await EngineCatalogue(engines).rows(_BEGUN)]


async def living(engines: Engines, project_id: int, after: int, limit: int) -> list[LiveEntity]:
    """Return entities of a project that are no tombstones, after a revision. Raises StoreUnavailable."""
    return [LiveEntity(**row) for row in await EngineCatalogue(engines).rows(_LIVING, project_id, after, limit)]


async def remove(engines: Engines, project: DeletedProject) -> None:
    """Remove all rows of a project; each batch takes its turn with pushes. Raises StoreUnavailable."""
    with translated():
        for table, column in _LARGE.items():
            await _remove(engines, table, column, project.id)
        await _remove_the_rest(engines, project)


async def _remove(engines: Engines, table: str, column: str, project_id: int) -> None:
    """Go through the index once, as there may be none that begins with the project."""
    find, remove_found = (statement.format(table=table, column=column) for statement in (_NEXT, _REMOVE))
    after: int | str = 0 if column == "revision" else ""
    while True:
        started = time.monotonic()
        found = await EngineCatalogue(engines).rows(find, project_id, after, _BATCH_ROWS)
        if not found:
            return
        await engines.write(remove_found, (project_id, after, found[-1]["place"]))
        after = found[-1]["place"]
        await asyncio.sleep(time.monotonic() - started)


async def _remove_the_rest(engines: Engines, project: DeletedProject) -> None:
    """Remove the few rows that are left, and the project, at once."""
    async with engines.writing_alone(), engines.writing.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if "project_id" in table.c:
                await connection.execute(delete(table).where(table.c.project_id == project.id))
        gone = await connection.execute(delete(projects).where(projects.c.id == project.id))
        if gone.rowcount:
            await audit.record(connection, "server", Act("project.deleted", project.name))
