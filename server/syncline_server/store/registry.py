"""Projects and their keys in SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Result, Row, Select, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import LABEL_STYLE_TABLENAME_PLUS_COL as _TABLE_NAMES

from syncline_server.identity.projects import (
    KeyKind,
    NewKey,
    NewProject,
    Project,
    ProjectExists,
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


class SqlRegistry:
    """Finds keys and makes projects; see identity.projects.Registry and ProjectMaker."""

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
                    await _insert_keys(connection, project_id[0], (made.client_key, made.server_key), now)
            except IntegrityError:
                raise ProjectExists(name) from None
        return made

    async def add_key(self, project: Project, kind: KeyKind) -> NewKey:
        """Make one more key of a project. Raises StoreUnavailable."""
        made = new_key(kind)
        with translated():
            async with self._engines.writing.begin() as connection:
                await _insert_keys(connection, project.id, (made,), system_clock_us())
        return made


async def _insert_keys(connection: AsyncConnection, project_id: int, keys: Sequence[NewKey], now_us: int) -> None:
    rows = [
        {
            "id": key.id,
            "project_id": project_id,
            "kind": key.kind,
            "secret_hash": hash_key(key.text),
            "created_at_us": now_us,
        }
        for key in keys
    ]
    await connection.execute(insert(project_keys), rows)


def _project(row: "Row[Any]") -> Project:
    return Project(row.projects_id, row.projects_name, row.projects_session_secret, row.projects_created_at_us)
