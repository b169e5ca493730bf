"""Projects and their keys in SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Result, Row, Select, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.selectable import LABEL_STYLE_TABLENAME_PLUS_COL as _TABLE_NAMES

from syncline_server.identity.projects import (
    KeyKind,
    NewKey,
    Project,
    ProjectKey,
    hash_key,
    new_key,
    new_session_secret,
)
from syncline_server.store import epochs
from syncline_server.store.clock import system_clock_us
from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.store.tables import project_keys, projects


class ProjectExists(Exception):
    """There is a project of this name already."""


@dataclass(frozen=True, slots=True)
class NewProject:
    """A project just made, with the only copy of its keys' texts."""

    name: str
    client_key: NewKey
    server_key: NewKey


class SqlRegistry:
    """Finds and makes projects; see identity.projects.Registry."""

    def __init__(self, engines: Engines) -> None:
        """Use these engines."""
        self._engines = engines

    async def find_key(self, key_id: str) -> ProjectKey | None:
        """Return the key of this public id. Raises StoreUnavailable."""
        statement = select(project_keys, projects).join_from(project_keys, projects).where(project_keys.c.id == key_id)
        row = next(iter(await self._rows(statement)), None)
        if row is None:
            return None
        return ProjectKey(
            row.project_keys_id, _project(row), KeyKind(row.project_keys_kind), row.project_keys_secret_hash
        )

    async def find_project(self, name: str) -> Project | None:
        """Return the project of this name. Raises StoreUnavailable."""
        found = await self._rows(select(projects).where(projects.c.name == name))
        return _project(found[0]) if found else None

    async def projects(self) -> list[Project]:
        """Return all projects, oldest first. Raises StoreUnavailable."""
        return [_project(row) for row in await self._rows(select(projects).order_by(projects.c.id))]

    async def _rows(self, statement: "Select[Any]") -> "Sequence[Row[Any]]":
        with translated():
            return await self._engines.finished(self._fetch(statement))

    async def _fetch(self, statement: "Select[Any]") -> "Sequence[Row[Any]]":
        async with self._engines.reading.connect() as connection:
            result: Result[Any] = await connection.execute(statement.set_label_style(_TABLE_NAMES))
            return result.all()

    async def create(self, name: str) -> NewProject:
        """Make a project with one key of each kind. Raises ProjectExists and StoreUnavailable."""
        made = NewProject(name, new_key(KeyKind.CLIENT), new_key(KeyKind.SERVER))
        now = system_clock_us()
        project = {"name": name, "head": 0, "session_secret": new_session_secret(), "created_at_us": now}
        with translated():
            try:
                async with self._engines.writing.begin() as connection:
                    project["epoch_id"] = await epochs.in_force(self._engines, connection)
                    project_id = (await connection.execute(insert(projects).values(**project))).inserted_primary_key
                    assert project_id is not None
                    keys = [
                        {
                            "id": key.id,
                            "project_id": project_id[0],
                            "kind": key.kind,
                            "secret_hash": hash_key(key.text),
                            "created_at_us": now,
                        }
                        for key in (made.client_key, made.server_key)
                    ]
                    await connection.execute(insert(project_keys), keys)
            except IntegrityError:
                raise ProjectExists(name) from None
        return made


def _project(row: "Row[Any]") -> Project:
    return Project(row.projects_id, row.projects_name, row.projects_session_secret, row.projects_created_at_us)
