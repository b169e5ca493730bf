"""Keys of a project: an operator makes more of them, lists them, and ends them, at once or after an overlap."""

import time

from syncline_server.identity.projects import KeyKind, NewKey, NoSuchKey, ProjectMaker, check_key_name
from syncline_server.store import catalogue
from syncline_server.store.catalogue import Catalogue, RecordedKey

_US_PER_SECOND = 1_000_000


async def create(
    maker: ProjectMaker,
    looked_at: Catalogue,
    project: str,
    kind: KeyKind,
    *,
    name: str = "",
    ttl_seconds: int | None = None,
) -> NewKey:
    """Make one more key of a project; it expires after `ttl_seconds` (None: never).

    Raises RequestInvalid, NoSuchProject and StoreUnavailable.
    """
    check_key_name(name)
    expires_at_us = None if ttl_seconds is None else _after(ttl_seconds)
    return await maker.add_key(await catalogue.project_named(looked_at, project), kind, name, expires_at_us)


async def recorded(looked_at: Catalogue, project: str) -> list[RecordedKey]:
    """Return the keys of a project, oldest first. Raises NoSuchProject and StoreUnavailable."""
    return await catalogue.keys_of(looked_at, await catalogue.project_named(looked_at, project))


async def revoke(maker: ProjectMaker, looked_at: Catalogue, project: str, key_id: str) -> None:
    """End a key; servers refuse it within 15 s, and end within 30 s what it has opened.

    Raises NoSuchProject, NoSuchKey and StoreUnavailable.
    """
    await maker.end_key(await catalogue.project_named(looked_at, project), key_id, None)


async def rotate(
    maker: ProjectMaker, looked_at: Catalogue, project: str, key_id: str, *, overlap_seconds: int
) -> NewKey:
    """Make a key like another one, which expires after an overlap: until then both are good.

    Raises NoSuchProject, NoSuchKey and StoreUnavailable.
    """
    found = await catalogue.project_named(looked_at, project)
    old = next((key for key in await catalogue.keys_of(looked_at, found) if key.id == key_id), None)
    if old is None:
        raise NoSuchKey(key_id)
    await maker.end_key(found, key_id, _after(overlap_seconds))
    return await maker.add_key(found, old.kind, old.name or "", None)


def _after(seconds: int) -> int:
    return time.time_ns() // 1000 + seconds * _US_PER_SECOND
