"""Projects and their keys in SQL."""

import secrets
from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import delete, insert, or_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from syncline_server.identity.projects import (
    KeyKind,
    NewKey,
    NewProject,
    NoSuchKey,
    Project,
    ProjectDeleting,
    ProjectExists,
    ProjectKey,
    hash_key,
    new_key,
    new_session_secret,
)
from syncline_server.store import audit, epochs
from syncline_server.store.audit import Act
from syncline_server.store.catalogue import placeholders, projects_of_ids
from syncline_server.store.clock import system_clock_us
from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.tables import heads, project_keys, projects, session_secrets
from syncline_server.store.wanted_schema import WANTED

_SECRET_ID_BYTES: Final = 6
_MOST_PROJECT_ID: Final = 2**63 - 1
"""Random ids are unique across databases: they are in every digest, and a project may move."""
_KEYS: Final = """
    SELECT id, project_id, kind, secret_hash FROM project_keys
    WHERE revoked_at_us IS NULL AND (expires_at_us IS NULL OR expires_at_us > $1) AND id IN"""
_NOTE_USE: Final = """
    UPDATE project_keys SET last_used_day = $2
    WHERE id = $1 AND (last_used_day IS NULL OR last_used_day < $2)"""


class SqlRegistry:
    """Finds keys and makes projects; see identity.projects.Registry and ProjectMaker."""

    def __init__(self, engines: Engines, by: str = "server") -> None:
        """Use these engines; `by` is who makes and ends things, for the audit."""
        self._engines = engines
        self._by = by

    async def find_key(self, key_id: str) -> ProjectKey | None:
        """Return the key of this public id, if it is in force. Raises StoreUnavailable."""
        return (await self.find_keys([key_id])).get(key_id)

    async def find_keys(self, key_ids: Collection[str]) -> dict[str, ProjectKey]:
        """Return those of some hundred keys that are in force. Raises StoreUnavailable."""
        looked_at = EngineCatalogue(self._engines)
        statement = f"{_KEYS} ({placeholders(len(key_ids), first=2)})"
        found = await looked_at.rows(statement, system_clock_us(), *key_ids)
        theirs = await projects_of_ids(looked_at, {key["project_id"] for key in found})
        return {
            key["id"]: ProjectKey(key["id"], theirs[key["project_id"]], KeyKind(key["kind"]), key["secret_hash"])
            for key in found
            if key["project_id"] in theirs
        }

    async def create(self, name: str) -> NewProject:
        """Make a project with one key of each kind. Raises ProjectExists and StoreUnavailable."""
        made, now_us = NewProject(name, new_key(KeyKind.CLIENT), new_key(KeyKind.SERVER)), system_clock_us()
        project_id = 1 + secrets.randbelow(_MOST_PROJECT_ID)
        with translated():
            try:
                async with self._engines.writing.begin() as connection:
                    epoch_id = await epochs.in_force(self._engines, connection)
                    await _insert_project(connection, project_id, name, epoch_id, now_us)
                    await _insert_keys(connection, project_id, (made.client_key, made.server_key), now_us)
                    await audit.record(connection, self._by, Act("project.create", name))
            except IntegrityError:
                raise ProjectExists(name) from None
        return made

    async def note_use(self, key_id: str, day: int) -> None:
        """Store that a key was used on a day, counted from the Unix epoch. Raises StoreUnavailable."""
        with translated():
            await self._engines.finished(self._engines.write(_NOTE_USE, (key_id, day)))

    async def add_key(
        self, project: Project, kind: KeyKind, name: str = "", expires_at_us: int | None = None
    ) -> NewKey:
        """Make one more key of a project; `name` is for its operator. Raises StoreUnavailable."""
        made = new_key(kind)
        with translated():
            async with self._engines.writing.begin() as connection:
                ends = {"name": name or None, "expires_at_us": expires_at_us}
                await _insert_keys(connection, project.id, (made,), system_clock_us(), **ends)
                await audit.record(connection, self._by, Act("key.create", project.name, made.id))
        return made

    async def end_key(self, project: Project, key_id: str, at_us: int | None) -> None:
        """Let a key expire at a time, or revoke it now (None). Raises NoSuchKey and StoreUnavailable."""
        now_us = system_clock_us()
        ended = (
            update(project_keys)
            .where(project_keys.c.id == key_id, project_keys.c.project_id == project.id)
            .where(project_keys.c.revoked_at_us.is_(None))
            .where(or_(project_keys.c.expires_at_us.is_(None), project_keys.c.expires_at_us > now_us))
            .values({"revoked_at_us": now_us} if at_us is None else {"expires_at_us": at_us})
        )
        with translated():
            async with self._engines.writing.begin() as connection:
                if not (await connection.execute(ended)).rowcount:
                    raise NoSuchKey(key_id)
                act = "key.revoke" if at_us is None else "key.expire"
                await audit.record(connection, self._by, Act(act, project.name, key_id))

    async def add_secret(self, project: Project) -> str:
        """Make a session secret that signs from now on; those before verify on. Raises StoreUnavailable."""
        with translated():
            async with self._engines.writing.begin() as connection:
                await audit.record(connection, self._by, Act("secret.create", project.name))
                return await _insert_secret(connection, project.id, system_clock_us())

    async def retire_secrets(self, project: Project) -> int:
        """Drop all session secrets but the newest; returns how many. Raises StoreUnavailable."""
        others = (session_secrets.c.project_id == project.id, session_secrets.c.secret != project.session_secret)
        with translated():
            async with self._engines.writing.begin() as connection:
                await audit.record(connection, self._by, Act("secret.retire", project.name))
                return (await connection.execute(delete(session_secrets).where(*others))).rowcount

    async def bind_devices(self, project: Project, *, bound: bool) -> None:
        """Say whether sessions may name no device but the one in their tokens. Raises StoreUnavailable."""
        act = Act("project.bind-devices" if bound else "project.free-devices", project.name)
        await self._change(project, act, bound_devices=bound)

    async def rename(self, project: Project, name: str) -> None:
        """Give a project another name. Raises ProjectExists and StoreUnavailable."""
        await self._change(project, Act("project.rename", project.name, name), name=name)

    async def set_disabled(self, project: Project, *, disabled: bool) -> None:
        """Refuse all calls of a project, or take them again. Raises ProjectDeleting and StoreUnavailable."""
        act = Act("project.disable" if disabled else "project.enable", project.name)
        await self._change(project, act, disabled_at_us=system_clock_us() if disabled else None)

    async def begin_deletion(self, project: Project, delete_at_us: int) -> None:
        """Let the rows of a project go at a time. Raises ProjectDeleting and StoreUnavailable."""
        await self._change(project, Act("project.delete", project.name), delete_at_us=delete_at_us)

    async def _change(self, project: Project, act: Act, **columns: str | int | None) -> None:
        """Change a project that is not being deleted. Raises ProjectExists, ProjectDeleting and StoreUnavailable."""
        here = (projects.c.id == project.id, projects.c.delete_at_us.is_(None))
        with translated():
            try:
                async with self._engines.writing.begin() as connection:
                    if not (await connection.execute(update(projects).where(*here).values(**columns))).rowcount:
                        raise ProjectDeleting(project.name)
                    await audit.record(connection, self._by, act)
            except IntegrityError:
                raise ProjectExists(columns["name"]) from None


async def _insert_project(connection: AsyncConnection, project_id: int, name: str, epoch_id: int, now_us: int) -> None:
    await connection.execute(insert(projects).values(id=project_id, name=name, created_at_us=now_us))
    head = {"head": 0, "epoch_id": epoch_id, "rows_schema": WANTED, "backfilled_revision": 0}
    await connection.execute(insert(heads).values(project_id=project_id, **head))
    await _insert_secret(connection, project_id, now_us)


async def _insert_secret(connection: AsyncConnection, project_id: int, now_us: int) -> str:
    secret = new_session_secret()
    made = {"id": secrets.token_hex(_SECRET_ID_BYTES), "secret": secret, "created_at_us": now_us}
    await connection.execute(insert(session_secrets).values(project_id=project_id, **made))
    return secret


async def _insert_keys(
    connection: AsyncConnection, project_id: int, keys: Sequence[NewKey], now_us: int, **columns: str | int | None
) -> None:
    rows = [
        {
            "id": key.id,
            "project_id": project_id,
            "kind": key.kind,
            "secret_hash": hash_key(key.text),
            "created_at_us": now_us,
            **columns,
        }
        for key in keys
    ]
    await connection.execute(insert(project_keys), rows)
