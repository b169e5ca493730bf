"""Every statement on the hot paths, in the words of each database.

They are text and not Core expressions because their plans are part of the design: tests/server/store/test_plans.py
asserts the index that each one uses. Parameters are positional, as the drivers take them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

_VERSION_COLUMNS: Final = (
    "entity_key, user_id, entity_type, entity_id, deleted, data, size_bytes, revision, created_revision, "
    "client_timestamp_us, session, merged_unseen, digest"
)
_PAGE_COLUMNS: Final = (
    "user_id, entity_type, entity_id, deleted, data, client_timestamp_us, revision, created_revision, size_bytes"
)
_UPSERT: Final = """
    ON CONFLICT (entity_key) DO UPDATE SET deleted = excluded.deleted, data = excluded.data,
        size_bytes = excluded.size_bytes, revision = excluded.revision, created_revision = excluded.created_revision,
        client_timestamp_us = excluded.client_timestamp_us, session = excluded.session,
        merged_unseen = excluded.merged_unseen, digest = excluded.digest"""
_UPSERT_POSITION: Final = """
    ON CONFLICT (session_key, entity_type) DO UPDATE
        SET revision = excluded.revision, updated_at_us = excluded.updated_at_us"""

_HISTORY: Final = """
    SELECT epochs.number, epochs.id, epochs.started_at_us, epoch_forks.fork_revision
    FROM epoch_forks JOIN epochs ON epochs.number = epoch_forks.epoch_number WHERE epoch_forks.project_id = $1
    UNION ALL
    SELECT epochs.number, epochs.id, epochs.started_at_us, NULL
    FROM projects JOIN epochs ON epochs.id = projects.epoch_id WHERE projects.id = $1
    ORDER BY 1"""


@dataclass(frozen=True, slots=True)
class PageShape:
    """What of a page's statement depends on the question."""

    of_user: bool
    of_types: bool
    with_total: bool
    with_shown: bool


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements of one database; each comment names the parameters in order."""

    lock_head: str
    """project id → head, clock in µs or NULL, id of the epoch in force."""
    history: str
    """project id → number, id, start in µs, fork of each epoch that has one; then the one in force, fork NULL."""
    positions: str
    """session keys → session key, entity type, revision."""
    standings: str
    """project id and queries → ordinal, head, foreign."""
    versions: str
    """largest size in bytes, keys → columns of Version, data NULL where larger."""
    large_data: str
    """keys → key, data."""
    write: str
    """project id, columns of Version → nothing."""
    save_positions: str
    """session key, entity type, revision, project id, time in µs → nothing."""
    move_head: str
    """head, project id → nothing."""
    page: Callable[[PageShape], str]
    """project id, user, session key, position, types, limit, skip, most bytes → a header row, then the page.

    The header has no user; its type is the id of the epoch in force, its revision the project's head, its
    created_revision the user's, its client_timestamp_us the total and its data what the session has shown, as a JSON
    object. A page's data is UTF-8, as it goes out. Header and page are one statement, and so one snapshot (L5).
    """


@cache
def _postgresql_page(shape: PageShape) -> str:
    scope, page_filter = "project_id = $1", ""
    user_head, total, shown = "0", "0", "NULL::bytea"
    if shape.of_user:
        scope += " AND user_id = $2"
        user_head = f"(SELECT max(revision) FROM entities WHERE {scope})"
    if shape.of_types:
        page_filter = " AND entity_type = ANY($5::text[])"
    after = f"{scope} AND revision > $4{page_filter}"
    if shape.with_total:
        total = f"(SELECT count(*) FROM entities WHERE {after})"
    if shape.with_shown:
        shown = """(SELECT convert_to(json_object_agg(entity_type, revision)::text, 'UTF8')
            FROM session_positions WHERE session_key = $3)"""
    return f"""
        SELECT NULL::text AS user_id, epoch_id::text AS entity_type, NULL::text AS entity_id, false AS deleted,
            {shown} AS data, {total}::bigint AS client_timestamp_us, head AS revision, {user_head} AS created_revision,
            0 AS size_bytes
        FROM projects
        WHERE id = $1 AND ($2::text IS NULL OR true) AND ($3::text IS NULL OR true) AND ($5::text[] IS NULL OR true)
        UNION ALL (
        SELECT {_PAGE_COLUMNS.replace(" data,", " convert_to(data, 'UTF8'),")} FROM (
            SELECT *, row_number() OVER by_revision AS place,
                sum(size_bytes) OVER by_revision - size_bytes AS bytes_before
            FROM (
                SELECT {_PAGE_COLUMNS} FROM entities
                WHERE {after} ORDER BY revision LIMIT $6 OFFSET $7
            ) AS page
            WINDOW by_revision AS (ORDER BY revision ROWS UNBOUNDED PRECEDING)
        ) AS sized
        WHERE place <= 2 OR bytes_before <= $8 ORDER BY revision)"""


@cache
def _sqlite_page(shape: PageShape) -> str:
    scope, page_filter = "project_id = ?1", ""
    user_head, total, shown = "0", "0", "NULL"
    if shape.of_user:
        scope += " AND user_id = ?2"
        user_head = f"(SELECT max(revision) FROM entities WHERE {scope})"
    if shape.of_types:
        page_filter = " AND entity_type IN (SELECT value FROM json_each(?5))"
    after = f"{scope} AND revision > ?4{page_filter}"
    if shape.with_total:
        total = f"(SELECT count(*) FROM entities WHERE {after})"
    if shape.with_shown:
        shown = "(SELECT json_group_object(entity_type, revision) FROM session_positions WHERE session_key = ?3)"
    return f"""
        SELECT NULL, epoch_id, NULL, 0, {shown}, {total}, head, {user_head}, 0 FROM projects WHERE id = ?1
        UNION ALL SELECT * FROM (
            SELECT {_PAGE_COLUMNS.replace(" data,", " CAST(data AS BLOB),")}
            FROM entities WHERE {after} ORDER BY revision LIMIT ?6 OFFSET ?7
        )"""


POSTGRESQL: Final = Statements(
    lock_head="""
        SELECT head, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, epoch_id
        FROM projects WHERE id = $1 FOR UPDATE""",
    history=_HISTORY,
    positions="""
        SELECT session_key, entity_type, revision FROM session_positions WHERE session_key = ANY($1::text[])""",
    standings="""
        SELECT query.ordinal,
            coalesce((SELECT max(revision) FROM entities WHERE project_id = $1 AND user_id = query.user_id), 0),
            (SELECT true FROM entities AS other
                WHERE other.project_id = $1 AND other.user_id = query.user_id
                    AND other.revision > query.after_revision
                    AND (query.session = '' OR other.session <> query.session OR other.merged_unseen)
                ORDER BY other.revision LIMIT 1) IS NOT NULL
        FROM unnest($2::text[], $3::text[], $4::bigint[])
            WITH ORDINALITY AS query (user_id, session, after_revision, ordinal)""",
    versions=f"""
        SELECT {_VERSION_COLUMNS.replace(" data,", " CASE WHEN size_bytes <= $1 THEN data END,")}
        FROM entities WHERE entity_key = ANY($2::text[])""",
    large_data="SELECT entity_key, data FROM entities WHERE entity_key = ANY($1::text[])",
    write=f"""
        INSERT INTO entities (project_id, {_VERSION_COLUMNS})
        SELECT $1::bigint, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[],
            $8::integer[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::boolean[], $14::bytea[])
        {_UPSERT}""",
    save_positions=f"""
        INSERT INTO session_positions (session_key, entity_type, revision, project_id, updated_at_us)
        SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
        {_UPSERT_POSITION}""",
    move_head="UPDATE projects SET head = $1 WHERE id = $2",
    page=_postgresql_page,
)

SQLITE: Final = Statements(
    lock_head="SELECT head, NULL, epoch_id FROM projects WHERE id = ?",
    history=_HISTORY.replace("$", "?"),
    positions="""
        SELECT session_key, entity_type, revision FROM session_positions
        WHERE session_key IN (SELECT value FROM json_each(?))""",
    standings="""
        WITH query AS MATERIALIZED (
            SELECT key AS ordinal, value ->> 0 AS user_id, value ->> 1 AS session, value ->> 2 AS after_revision
            FROM json_each(?2)
        )
        SELECT query.ordinal,
            coalesce((SELECT max(revision) FROM entities WHERE project_id = ?1 AND user_id = query.user_id), 0),
            EXISTS (SELECT 1 FROM entities AS other
                WHERE other.project_id = ?1 AND other.user_id = query.user_id
                    AND other.revision > query.after_revision
                    AND (query.session = '' OR other.session <> query.session OR other.merged_unseen)
                ORDER BY other.revision)
        FROM query""",
    versions=f"""
        SELECT {_VERSION_COLUMNS.replace(" data,", " CASE WHEN size_bytes <= ? THEN data END,")}
        FROM entities WHERE entity_key IN (SELECT value FROM json_each(?))""",
    large_data="SELECT entity_key, data FROM entities WHERE entity_key IN (SELECT value FROM json_each(?))",
    write=f"""
        INSERT INTO entities (project_id, {_VERSION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        {_UPSERT}""",
    save_positions=f"""
        INSERT INTO session_positions (session_key, entity_type, revision, project_id, updated_at_us)
        VALUES (?, ?, ?, ?, ?)
        {_UPSERT_POSITION}""",
    move_head="UPDATE projects SET head = ? WHERE id = ?",
    page=_sqlite_page,
)
