"""How far a migration has come, on a database that is served meanwhile (docs/decisions, migrations).

Expand: `syncline migrate`. Backfill: by the servers. Contract: `syncline migrate --finish`, once no server of a version
before is alive and no row is left. What happens in each, a migration says (migrations/).
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from syncline_server.store import schema, servers
from syncline_server.store.clock import system_clock_us
from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.store.tables import entities, heads, migrations
from syncline_server.store.wanted_schema import MigrationRefused

_FIRST_WITH_PHASES: Final = "0004"


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """How far the migration to the schema that is there has come."""

    schema: str | None
    """None: there is none yet."""
    finished: bool
    projects_left: int
    """Projects with rows of the schema before."""
    rows_left: int
    older_servers: tuple[str, ...]
    """Addresses of live servers of a version before."""

    @property
    def waits_for(self) -> str:
        """Say in words what keeps the migration from being finished; empty: nothing."""
        if self.finished:
            return ""
        if self.older_servers:
            return f"servers of a version before are alive: {', '.join(self.older_servers)}"
        if self.projects_left:
            return f"{self.rows_left} rows of {self.projects_left} projects are left; servers see to them"
        return ""


async def status(engines: Engines) -> MigrationStatus:
    """Return how far the migration has come; changes nothing. Raises StoreUnavailable."""
    with translated():
        found = await schema.found(engines)
        if found is None or found < _FIRST_WITH_PHASES:
            return MigrationStatus(found, finished=True, projects_left=0, rows_left=0, older_servers=())
        async with engines.reading.connect() as connection:
            of_schema = migrations.c.schema == found
            finished = (await connection.execute(select(migrations.c.finished_at_us).where(of_schema))).scalar()
            older = await servers.older_than(engines, connection, found)
            projects, rows = await _left(connection, found)
    return MigrationStatus(found, finished is not None, projects, rows, older)


async def finish(engines: Engines) -> None:
    """Run the contract phase. Raises MigrationRefused, SchemaNotCurrent and StoreUnavailable."""
    await schema.check_current(engines)
    if not await is_finished(engines):
        with translated():
            await engines.contract()


async def is_finished(engines: Engines) -> bool:
    """Tell whether the last phase of the last migration has been run. Raises MigrationRefused where it cannot be."""
    now = await status(engines)
    if now.waits_for:
        raise MigrationRefused(now.waits_for)
    return now.finished


async def record_begun(connection: AsyncConnection, revision: str, oldest_server: str) -> None:
    """Record that a migration begins, if that is not known; who may serve meanwhile is known with it."""
    if (await connection.execute(select(migrations.c.schema).where(migrations.c.schema == revision))).first() is None:
        begun = {"schema": revision, "oldest_server": oldest_server, "steps_done": 0}
        await connection.execute(insert(migrations).values(**begun))


async def record_finished(connection: AsyncConnection, revision: str) -> None:
    """Record that a migration is finished: from now on servers of a version before may not serve."""
    done = update(migrations).where(migrations.c.schema == revision)
    await connection.execute(done.values(oldest_server=revision, finished_at_us=system_clock_us()))


async def _left(connection: AsyncConnection, revision: str) -> tuple[int, int]:
    behind = heads.c.rows_schema < revision
    projects = (await connection.execute(select(func.count()).select_from(heads).where(behind))).scalar_one()
    if not projects:
        return 0, 0
    rows = (
        select(func.count())
        .select_from(heads.join(entities, entities.c.project_id == heads.c.project_id))
        .where(behind, entities.c.revision > heads.c.backfilled_revision)
    )
    return projects, (await connection.execute(rows)).scalar_one()
