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
_RECENT_COLUMNS: Final = "revision, user_id, entity_type, deleted, created_revision"
_UPSERT: Final = """
    ON CONFLICT (entity_key) DO UPDATE SET deleted = excluded.deleted, data = excluded.data, opening = excluded.opening,
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
    """project id, columns of Version, opening → nothing."""
    save_positions: str
    """session key, entity type, revision, project id, time in µs → nothing."""
    move_head: str
    """head, project id → nothing."""
    page: Callable[[PageShape, bool], str]
    """project id, user, session key, position, types, limit, skip, closings (PostgreSQL: and bytes) → header, page.

    A row is a version, laid out, and its revision. The header comes as JSON in place of a version: id of the epoch in
    force, the project's head, the user's, the total, and what the session has shown. It is all one statement, and so
    one snapshot (L5). The closings are of a tombstone, of what came into being after the position, and of what changed.

    On PostgreSQL a page comes without the versions that have more bytes than asked for, NULL in their place; or, by
    size, with as many versions as have so many bytes together. That takes twice as long.
    """
    recent: Callable[[bool], str]
    """project id, position, limit (PostgreSQL: and bytes) → header, columns of RecentVersion.

    The header is the id of the epoch in force and the project's head.
    """


_CLOSING: Final = "CASE WHEN deleted THEN {} WHEN created_revision > {} THEN {} ELSE {} END"


@cache
def _postgresql_page(shape: PageShape, by_size: bool) -> str:
    scope, page_filter = "project_id = $1", ""
    user_head, total, shown = "0", "0", "NULL"
    if shape.of_user:
        scope += " AND user_id = $2"
        user_head = f"(SELECT coalesce(max(revision), 0) FROM entities WHERE {scope})"
    if shape.of_types:
        page_filter = " AND entity_type = ANY($5::text[])"
    after = f"{scope} AND revision > $4{page_filter}"
    if shape.with_total:
        total = f"(SELECT count(*) FROM entities WHERE {after})"
    if shape.with_shown:
        shown = "(SELECT json_object_agg(entity_type, revision) FROM session_positions WHERE session_key = $3)"
    closing = _CLOSING.format("$8::bytea", "$4", "$9::bytea", "$10::bytea")
    page = _postgresql_rows(
        f"opening || convert_to(data, 'UTF8') || {closing}",
        "revision",
        "opening, data, size_bytes, revision, deleted, created_revision",
        f"FROM entities WHERE {after} ORDER BY revision LIMIT $6 OFFSET $7",
        "$11",
        by_size=by_size,
    )
    return f"""
        SELECT convert_to(json_build_array(epoch_id, head, {user_head}, {total}, {shown})::text, 'UTF8') AS laid_out,
            0 AS revision
        FROM projects
        WHERE id = $1 AND ($2::text IS NULL OR true) AND ($3::text IS NULL OR true) AND ($5::text[] IS NULL OR true)
        UNION ALL ({page})"""


@cache
def _postgresql_recent(by_size: bool) -> str:
    page = _postgresql_rows(
        "opening || convert_to(data, 'UTF8')",
        _RECENT_COLUMNS,
        f"opening, data, size_bytes, {_RECENT_COLUMNS}",
        "FROM entities WHERE project_id = $1 AND revision > $2 ORDER BY revision LIMIT $3",
        "$4",
        by_size=by_size,
    )
    return f"""
        SELECT convert_to(json_build_array(epoch_id, head)::text, 'UTF8') AS unclosed, 0 AS revision,
            NULL::text AS user_id, NULL::text AS entity_type, false AS deleted, 0 AS created_revision
        FROM projects WHERE id = $1
        UNION ALL ({page})"""


def _postgresql_rows(laid_out: str, others: str, needed: str, found: str, most_bytes: str, *, by_size: bool) -> str:
    if not by_size:
        return f"SELECT CASE WHEN size_bytes <= {most_bytes} THEN {laid_out} END, {others} {found}"
    return f"""
        SELECT {laid_out}, {others} FROM (
            SELECT *, row_number() OVER by_revision AS place,
                sum(size_bytes) OVER by_revision - size_bytes AS bytes_before
            FROM (SELECT {needed} {found}) AS page
            WINDOW by_revision AS (ORDER BY revision ROWS UNBOUNDED PRECEDING)
        ) AS sized
        WHERE place <= 2 OR bytes_before <= {most_bytes} ORDER BY revision"""


@cache
def _sqlite_page(shape: PageShape, _by_size: bool) -> str:
    scope, page_filter = "project_id = ?1", ""
    user_head, total, shown = "0", "0", "NULL"
    if shape.of_user:
        scope += " AND user_id = ?2"
        user_head = f"(SELECT coalesce(max(revision), 0) FROM entities WHERE {scope})"
    if shape.of_types:
        page_filter = " AND entity_type IN (SELECT value FROM json_each(?5))"
    after = f"{scope} AND revision > ?4{page_filter}"
    if shape.with_total:
        total = f"(SELECT count(*) FROM entities WHERE {after})"
    if shape.with_shown:
        shown = "json((SELECT json_group_object(entity_type, revision) FROM session_positions WHERE session_key = ?3))"
    return f"""
        SELECT json_array(epoch_id, head, {user_head}, {total}, {shown}), 0 FROM projects WHERE id = ?1
        UNION ALL SELECT * FROM (
            SELECT CAST(opening || data || {_CLOSING.format("?8", "?4", "?9", "?10")} AS BLOB), revision
            FROM entities WHERE {after} ORDER BY revision LIMIT ?6 OFFSET ?7
        )"""


def _sqlite_recent(_by_size: bool) -> str:
    return f"""
        SELECT json_array(epoch_id, head), 0, NULL, NULL, 0, 0 FROM projects WHERE id = ?1
        UNION ALL SELECT * FROM (
            SELECT CAST(opening || data AS BLOB), {_RECENT_COLUMNS}
            FROM entities WHERE project_id = ?1 AND revision > ?2 ORDER BY revision LIMIT ?3
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
        INSERT INTO entities (project_id, {_VERSION_COLUMNS}, opening)
        SELECT $1::bigint, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[],
            $8::integer[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::boolean[], $14::bytea[],
            $15::bytea[])
        {_UPSERT}""",
    save_positions=f"""
        INSERT INTO session_positions (session_key, entity_type, revision, project_id, updated_at_us)
        SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
        {_UPSERT_POSITION}""",
    move_head="UPDATE projects SET head = $1 WHERE id = $2",
    page=_postgresql_page,
    recent=_postgresql_recent,
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
        INSERT INTO entities (project_id, {_VERSION_COLUMNS}, opening)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        {_UPSERT}""",
    save_positions=f"""
        INSERT INTO session_positions (session_key, entity_type, revision, project_id, updated_at_us)
        VALUES (?, ?, ?, ?, ?)
        {_UPSERT_POSITION}""",
    move_head="UPDATE projects SET head = ? WHERE id = ?",
    page=_sqlite_page,
    recent=_sqlite_recent,
)
