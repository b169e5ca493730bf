"""Projects: an operator makes, lists, renames, disables and deletes them, and sees to their session secrets."""

import time
from typing import Final

from syncline_server.identity.projects import NewProject, Project, ProjectMaker, check_project_name
from syncline_server.store import catalogue
from syncline_server.store.catalogue import Catalogue

_US_PER_SECOND: Final = 1_000_000


async def create(maker: ProjectMaker, name: str) -> NewProject:
    """Make a project with a key of each kind. Raises RequestInvalid, ProjectExists and StoreUnavailable."""
    check_project_name(name)
    return await maker.create(name)


async def recorded(looked_at: Catalogue) -> list[Project]:
    """Return all projects, oldest first. Raises StoreUnavailable."""
    return await catalogue.all_projects(looked_at)


async def named(looked_at: Catalogue, name: str) -> Project:
    """Return a project. Raises NoSuchProject and StoreUnavailable."""
    return await catalogue.project_named(looked_at, name)


async def session_secret(looked_at: Catalogue, name: str) -> str:
    """Return the secret of a project's session tokens. Raises NoSuchProject and StoreUnavailable."""
    return (await catalogue.project_named(looked_at, name)).session_secret


async def new_session_secret(maker: ProjectMaker, looked_at: Catalogue, name: str) -> str:
    """Make a session secret that signs from now on; session tokens of those before are good until these are retired.

    Raises NoSuchProject and StoreUnavailable.
    """
    return await maker.add_secret(await catalogue.project_named(looked_at, name))


async def retire_session_secrets(maker: ProjectMaker, looked_at: Catalogue, name: str) -> int:
    """Drop all session secrets of a project but the newest; returns how many.

    Servers refuse their tokens within 30 s, and end the streams that these have opened. Raises NoSuchProject and
    StoreUnavailable.
    """
    return await maker.retire_secrets(await catalogue.project_named(looked_at, name))


async def bind_devices(maker: ProjectMaker, looked_at: Catalogue, name: str, *, bound: bool) -> None:
    """Say whether sessions may name no device but the one in their tokens; servers know within 30 s.

    Raises NoSuchProject and StoreUnavailable.
    """
    await maker.bind_devices(await catalogue.project_named(looked_at, name), bound=bound)


async def rename(maker: ProjectMaker, looked_at: Catalogue, name: str, new_name: str) -> None:
    """Give a project another name; keys and tokens go on as they are.

    Raises RequestInvalid, NoSuchProject, ProjectExists, ProjectDeleting and StoreUnavailable.
    """
    check_project_name(new_name)
    await maker.rename(await catalogue.project_named(looked_at, name), new_name)


async def set_disabled(maker: ProjectMaker, looked_at: Catalogue, name: str, *, disabled: bool) -> None:
    """Refuse all calls of a project and end its streams within 30 s, or take calls again.

    Raises NoSuchProject, ProjectDeleting and StoreUnavailable.
    """
    await maker.set_disabled(await catalogue.project_named(looked_at, name), disabled=disabled)


async def delete(maker: ProjectMaker, looked_at: Catalogue, name: str, *, grace_seconds: int) -> int:
    """Delete a project, and return when its rows go, µs since the Unix epoch.

    Its servers leave tombstones, which followers can read for a grace, and then nothing.
    It takes no pushes from 30 s on. See deletion.py. Raises NoSuchProject, ProjectDeleting and StoreUnavailable.
    """
    delete_at_us = time.time_ns() // 1000 + grace_seconds * _US_PER_SECOND
    await maker.begin_deletion(await catalogue.project_named(looked_at, name), delete_at_us)
    return delete_at_us
