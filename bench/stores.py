"""Stores that are filled without the server, once a run, for the rows that only read."""

import time
from dataclasses import dataclass, field
from typing import Final

from bench.driver import connected
from bench.processes import Databases, Project

READER: Final = "reader"
"""The user whom all seeded entities belong to."""
_AGE_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Seeded:
    """A store with entities of one user, their revisions in sequence."""

    project: Project
    first_revision: int
    entities: int

    def before_last(self, changes: int) -> int:
        """Return the position after which there are so many changes."""
        return self.first_revision + self.entities - 1 - changes


@dataclass(slots=True)
class Stores:
    """Makes each store when it is first asked for."""

    databases: Databases
    _made: dict[tuple[str, int], Seeded] = field(default_factory=dict)

    async def seeded(self, kind: str, entities: int) -> Seeded:
        """Return the store of this kind with so many entities. Nobody may write to it."""
        if (kind, entities) not in self._made:
            project = await self.databases.project(kind)
            first_revision = time.time_ns() // 1000 - _AGE_US
            async with connected(project) as driver:
                await driver.seed(READER, entities, first_revision)
            self._made[kind, entities] = Seeded(project, first_revision, entities)
        return self._made[kind, entities]
