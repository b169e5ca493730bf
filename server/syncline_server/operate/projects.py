"""Projects: an operator makes them, lists them, and reads the secret of their session tokens."""

from syncline_server.identity.projects import NewProject, Project, ProjectMaker, check_project_name
from syncline_server.store import catalogue
from syncline_server.store.catalogue import Catalogue


async def create(maker: ProjectMaker, name: str) -> NewProject:
    """Make a project with a key of each kind. Raises RequestInvalid, ProjectExists and StoreUnavailable."""
    check_project_name(name)
    return await maker.create(name)


async def recorded(looked_at: Catalogue) -> list[Project]:
    """Return all projects, oldest first. Raises StoreUnavailable."""
    return await catalogue.all_projects(looked_at)


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
