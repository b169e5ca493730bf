"""What an operator's use cases take, put together for the one who asks."""

from dataclasses import dataclass

from syncline_server.identity.operators import Operators
from syncline_server.identity.projects import ProjectMaker
from syncline_server.operate import epochs
from syncline_server.store import servers
from syncline_server.store.engine import Engines
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.operators import SqlOperators
from syncline_server.store.registry import SqlRegistry


@dataclass(frozen=True, slots=True)
class Standing:
    """How a deployment does, as far as its database knows."""

    database: str
    schema: str
    projects: int
    epoch_number: int
    servers: int


class Desk:
    """An open database, for operators."""

    def __init__(self, engines: Engines) -> None:
        self.engines = engines
        self.looked_at = EngineCatalogue(engines)

    def maker(self, by: str) -> ProjectMaker:
        """Return what makes and changes projects; `by` is who does so."""
        return SqlRegistry(self.engines, by)

    def operators(self, by: str) -> Operators:
        """Return what makes and ends operators; `by` is who does so."""
        return SqlOperators(self.engines, by)

    async def standing(self) -> Standing:
        """Return how the deployment does. Raises StoreUnavailable."""
        return await standing(self.engines)


async def standing(engines: Engines) -> Standing:
    """Return how a deployment does, as far as its database knows. Raises StoreUnavailable."""
    looked_at = EngineCatalogue(engines)
    ((counted,), (known,)) = (
        await looked_at.rows("SELECT count(*) AS projects FROM projects"),
        await looked_at.rows("SELECT version_num AS schema FROM alembic_version"),
    )
    alive = await servers.alive(engines)
    number = (await epochs.recorded(engines))[-1].number
    return Standing(str(engines), known["schema"], int(counted["projects"]), number, len(alive))
