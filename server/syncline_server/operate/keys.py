"""Keys of a project: an operator makes more of them and lists them."""

from syncline_server.identity.projects import KeyKind, NewKey, ProjectMaker
from syncline_server.store import catalogue
from syncline_server.store.catalogue import Catalogue, RecordedKey


async def create(maker: ProjectMaker, looked_at: Catalogue, project: str, kind: KeyKind) -> NewKey:
    """Make one more key of a project. Raises NoSuchProject and StoreUnavailable."""
    return await maker.add_key(await catalogue.project_named(looked_at, project), kind)


async def recorded(looked_at: Catalogue, project: str) -> list[RecordedKey]:
    """Return the keys of a project, oldest first. Raises NoSuchProject and StoreUnavailable."""
    return await catalogue.keys_of(looked_at, await catalogue.project_named(looked_at, project))
