"""What an operator looks through: lists that are read page by page, each by the index whose order it has.

A page begins after what the page before ended with, so that none is slower than the first. tests/server/store/
test_inventory.py asserts the plans.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from syncline_server.identity.projects import KeyKind
from syncline_server.store.catalogue import Catalogue, RecordedKey
from syncline_server.store.epochs import Cause, RecordedEpoch

_END: Final = "\U0010ffff"
"""After every character that an id can have."""
_NEXT: Final = "\x01"
"""Before every character that an id can have: with it, an id is what comes right after it."""

PROJECTS: Final = """
    SELECT id, name, created_at_us, bound_devices, disabled_at_us, delete_at_us
    FROM projects WHERE name > $1 ORDER BY name LIMIT $2"""
USERS: Final = """
    WITH RECURSIVE users (user_id, number) AS (
        SELECT (SELECT user_id FROM entities WHERE project_id = $1 AND user_id >= $2 AND user_id < $3
            ORDER BY user_id LIMIT 1), 1
        UNION ALL
        SELECT (SELECT entities.user_id FROM entities
            WHERE project_id = $1 AND entities.user_id > users.user_id AND entities.user_id < $3
            ORDER BY entities.user_id LIMIT 1), number + 1
        FROM users WHERE users.user_id IS NOT NULL AND number < $4)
    SELECT user_id,
        (SELECT max(revision) FROM entities WHERE project_id = $1 AND entities.user_id = users.user_id) AS head,
        (SELECT count(*) FROM entities
            WHERE project_id = $1 AND entities.user_id = users.user_id AND NOT deleted) AS entities,
        (SELECT coalesce(sum(size_bytes), 0) FROM entities
            WHERE project_id = $1 AND entities.user_id = users.user_id) AS size_bytes
    FROM users WHERE user_id IS NOT NULL"""
"""Goes from user to user: an index of as many entries as there are entities is entered once for each user."""
DEVICES: Final = """
    SELECT user_id, session_key, entity_type, revision, expires_at_us,
        (SELECT revision FROM entities WHERE entities.project_id = $1 AND entities.user_id = positions.user_id
            AND entities.revision > positions.revision
            AND (positions.entity_type = '' OR entities.entity_type = positions.entity_type)
            ORDER BY revision LIMIT 1) AS unread_revision
    FROM session_positions AS positions
    WHERE project_id = $1 AND with_device AND user_id >= $2
        AND (user_id, session_key, entity_type) > ($2, $3, $4)
    ORDER BY user_id, session_key, entity_type LIMIT $5"""
ENTITY: Final = """
    SELECT user_id, entity_type, entity_id, deleted, data, size_bytes, revision, created_revision, committed_ms,
        client_timestamp_us, session
    FROM entities WHERE entity_key = $1 AND project_id = $2"""
KEYS: Final = """
    SELECT id, kind, name, created_at_us, expires_at_us, revoked_at_us, last_used_day
    FROM project_keys WHERE project_id = $1 AND (created_at_us, id) > ($2, $3) ORDER BY created_at_us, id LIMIT $4"""
EPOCHS: Final = """
    SELECT number, id, started_at_us, cause, incarnation FROM epochs WHERE number > $1 ORDER BY number LIMIT $2"""
AUDIT: Final = """
    SELECT at_us, id, by, act, project, subject FROM audit
    WHERE (at_us, id) < ($1, $2) ORDER BY at_us DESC, id DESC LIMIT $3"""
AUDIT_OF_PROJECT: Final = """
    SELECT at_us, id, by, act, project, subject FROM audit
    WHERE (project, at_us, id) < ($1, $2, $3) AND project >= $1
    ORDER BY project DESC, at_us DESC, id DESC LIMIT $4"""
"""As a range: asked for one value, PostgreSQL would rather look for it among the newest acts of all projects."""
SIZES: Final = """
    SELECT count(*) AS entities, coalesce(sum(CASE WHEN deleted THEN 1 ELSE 0 END), 0) AS tombstones,
        coalesce(sum(size_bytes), 0) AS size_bytes, coalesce(max(revision), 0) AS head
    FROM entities WHERE project_id = $1"""
NEWEST_US: Final = 2**62
"""Later than any act."""


@dataclass(frozen=True, slots=True)
class ListedProject:
    """A project in a list."""

    id: int
    name: str
    created_at_us: int
    bound_devices: bool
    disabled_at_us: int | None
    delete_at_us: int | None


@dataclass(frozen=True, slots=True)
class ListedUser:
    """A user in a list."""

    user_id: str
    head: int
    """The last revision of the user's log; its time in µs."""
    entities: int
    """Without tombstones."""
    size_bytes: int
    """Of data."""


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """How far a device has read, of all its entity types or of one."""

    user_id: str
    session_key: str
    """Names the device; its own id is kept nowhere."""
    entity_type: str
    """Empty: every type without an entry of its own."""
    revision: int
    """Up to which it has shown to have read."""
    expires_at_us: int
    unread_revision: int | None
    """The first change after that, the device's own included; None: it has read everything."""


@dataclass(frozen=True, slots=True)
class StoredEntity:
    """One entity as it is stored."""

    user_id: str
    entity_type: str
    entity_id: str
    deleted: bool
    data: str
    size_bytes: int
    revision: int
    created_revision: int
    committed_ms: int
    client_timestamp_us: int | None
    session: str
    """Who wrote it: `device:…`, or `token:` and a digest."""


@dataclass(frozen=True, slots=True)
class RecordedAct:
    """What an operator did."""

    at_us: int
    id: str
    by: str
    act: str
    project: str
    subject: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is of a project."""

    entities: int
    """With tombstones."""
    tombstones: int
    size_bytes: int
    """Of data."""
    head: int
    """The last revision; 0: nothing was ever written."""


async def projects(catalogue: Catalogue, after: str, limit: int) -> list[ListedProject]:
    """Return projects after a name, in the order of their names. Raises StoreUnavailable."""
    rows = await catalogue.rows(PROJECTS, after, limit)
    return [ListedProject(**{**row, "bound_devices": bool(row["bound_devices"])}) for row in rows]


async def users(catalogue: Catalogue, project_id: int, prefix: str, after: str, limit: int) -> list[ListedUser]:
    """Return users whose ids begin with `prefix`, after one, in their order. Raises StoreUnavailable."""
    first = after + _NEXT if after else prefix
    rows = await catalogue.rows(USERS, project_id, first, prefix + _END, limit)
    return [ListedUser(**_numbers(row)) for row in rows]


async def devices(catalogue: Catalogue, project_id: int, after: tuple[str, str, str], limit: int) -> list[ListedDevice]:
    """Return how far devices have read, after (user, device, entity type). Raises StoreUnavailable."""
    return [ListedDevice(**row) for row in await catalogue.rows(DEVICES, project_id, *after, limit)]


async def entity(catalogue: Catalogue, key: str, project_id: int) -> StoredEntity | None:
    """Return an entity by its key; None: there is none. Raises StoreUnavailable."""
    rows = await catalogue.rows(ENTITY, key, project_id)
    return next((StoredEntity(**{**row, "deleted": bool(row["deleted"])}) for row in rows), None)


async def keys(catalogue: Catalogue, project_id: int, after: tuple[int, str], limit: int) -> list[RecordedKey]:
    """Return keys of a project, oldest first, after (time, id). Raises StoreUnavailable."""
    rows = await catalogue.rows(KEYS, project_id, *after, limit)
    return [RecordedKey(**{**row, "kind": KeyKind(row["kind"])}) for row in rows]


async def epochs(catalogue: Catalogue, after: int, limit: int) -> list[RecordedEpoch]:
    """Return epochs, oldest first, after a number. Raises StoreUnavailable."""
    rows = await catalogue.rows(EPOCHS, after, limit)
    return [RecordedEpoch(**{**row, "cause": Cause(row["cause"])}) for row in rows]


async def audit(catalogue: Catalogue, project: str, before: tuple[int, str], limit: int) -> list[RecordedAct]:
    """Return acts before one, newest first; of one project, if it is named. Raises StoreUnavailable."""
    if project:
        rows = await catalogue.rows(AUDIT_OF_PROJECT, project, *before, limit)
    else:
        rows = await catalogue.rows(AUDIT, *before, limit)
    return [RecordedAct(**row) for row in rows]


async def sizes(catalogue: Catalogue, project_id: int) -> Sizes:
    """Count what there is of a project; it reads all of its rows. Raises StoreUnavailable."""
    (row,) = await catalogue.rows(SIZES, project_id)
    return Sizes(**_numbers(row))


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    """PostgreSQL sums in numeric, which is a Decimal here."""
    return {name: value if isinstance(value, str) else int(value) for name, value in row.items()}
