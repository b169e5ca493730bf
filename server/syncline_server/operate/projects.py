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
