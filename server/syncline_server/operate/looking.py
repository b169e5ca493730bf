"""What an operator looks at: users, devices, entities and the audit of a project, and how much there is of it."""

from typing import Final

from syncline_server.identity.ids import check_id
from syncline_server.store import audit as acts
from syncline_server.store import catalogue, inventory
from syncline_server.store import servers as live
from syncline_server.store.catalogue import Catalogue, RecordedKey
from syncline_server.store.engine import Engines
from syncline_server.store.epochs import RecordedEpoch
from syncline_server.store.errors import translated
from syncline_server.store.inventory import (
    ListedDevice,
    ListedProject,
    ListedUser,
    RecordedAct,
    Sizes,
    StoredEntity,
)
from syncline_server.store.servers import Server
from syncline_server.sync.errors import RequestInvalid
from syncline_server.sync.keys import entity_key

__all__ = ["ListedProject", "RecordedEpoch", "StoredEntity"]

MAX_PAGE_SIZE: Final = 200
OF_DATA: Final = "data."
"""How acts begin that are looks at users' data; their subject is the user."""
NEWEST: Final = (inventory.NEWEST_US, "")
"""Before every act."""


async def projects(looked_at: Catalogue, after: str, limit: int) -> list[ListedProject]:
    """Return projects after a name, in the order of their names. Raises RequestInvalid and StoreUnavailable."""
    return await inventory.projects(looked_at, after, _checked(limit))


async def sizes(looked_at: Catalogue, project: str) -> Sizes:
    """Count what there is of a project. Raises NoSuchProject and StoreUnavailable."""
    return await inventory.sizes(looked_at, await _id_of(looked_at, project))


async def users(looked_at: Catalogue, project: str, prefix: str, after: str, limit: int) -> list[ListedUser]:
    """Return users of a project whose ids begin with `prefix`, after one, in their order.

    Raises RequestInvalid, NoSuchProject and StoreUnavailable.
    """
    for field, value in (("prefix", prefix), ("page_token", after)):
        if value:
            check_id(field, value)
    return await inventory.users(looked_at, await _id_of(looked_at, project), prefix, after, _checked(limit))


async def devices(looked_at: Catalogue, project: str, after: tuple[str, str, str], limit: int) -> list[ListedDevice]:
    """Return how far the devices of a project have read, after (user, device, entity type).

    Raises RequestInvalid, NoSuchProject and StoreUnavailable.
    """
    return await inventory.devices(looked_at, await _id_of(looked_at, project), after, _checked(limit))


async def entity(
    looked_at: Catalogue, project: str, user: str, entity_type: str, entity_id: str
) -> StoredEntity | None:
    """Return an entity as it is stored; None: there never was one.

    Raises RequestInvalid, NoSuchProject and StoreUnavailable.
    """
    for field, value in (("user_id", user), ("entity_type", entity_type), ("entity_id", entity_id)):
        check_id(field, value)
    project_id = await _id_of(looked_at, project)
    return await inventory.entity(looked_at, entity_key(project_id, user, entity_type, entity_id), project_id)


async def keys(looked_at: Catalogue, project: str, after: tuple[int, str], limit: int) -> list[RecordedKey]:
    """Return keys of a project, oldest first, after (time in µs, id).

    Raises RequestInvalid, NoSuchProject and StoreUnavailable.
    """
    return await inventory.keys(looked_at, await _id_of(looked_at, project), after, _checked(limit))


async def epochs(looked_at: Catalogue, after: int, limit: int) -> list[RecordedEpoch]:
    """Return epochs, oldest first, after a number. Raises RequestInvalid and StoreUnavailable."""
    return await inventory.epochs(looked_at, after, _checked(limit))


async def servers(engines: Engines) -> list[Server]:
    """Return the servers that have been heard of lately, oldest first. Raises StoreUnavailable."""
    return await live.alive(engines)


async def record_look(engines: Engines, by: str, what: str, project: str, user: str) -> None:
    """Record that somebody looks at data of a user; empty: of all. Raises StoreUnavailable."""
    with translated():
        async with engines.writing_alone(), engines.writing.begin() as connection:
            await acts.record(connection, by, acts.Act(f"{OF_DATA}{what}", project, user))


async def audit(looked_at: Catalogue, project: str, before: tuple[int, str], limit: int) -> list[RecordedAct]:
    """Return acts before one, newest first; of one project, if it is named.

    Raises RequestInvalid and StoreUnavailable.
    """
    return await inventory.audit(looked_at, project, before, _checked(limit))


async def _id_of(looked_at: Catalogue, project: str) -> int:
    return (await catalogue.project_named(looked_at, project)).id


def _checked(limit: int) -> int:
    if not 1 <= limit <= MAX_PAGE_SIZE:
        raise RequestInvalid("page_size", f"must be 1 to {MAX_PAGE_SIZE}", limit=MAX_PAGE_SIZE)
    return limit
