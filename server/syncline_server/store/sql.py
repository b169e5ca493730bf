"""Every statement on the hot paths, in the words of each database.

They are text and not Core expressions because their plans are part of the design: tests/server/store/test_plans.py
asserts the index that each one uses. Parameters are positional, as the drivers take them.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

_VERSION_COLUMNS: Final = (
    "entity_key, user_id, entity_type, entity_id, deleted, data, size_bytes, revision, created_revision, "
    "client_timestamp_us, session, merged_unseen, digest"
)
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

    many: Callable[[Collection[str]], Any]
    """The parameter that stands for many values."""
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
    """project id, user, session key, position, types, limit, skip, closings, bytes → one row, and so one snapshot (L5).

    Of it: id of the epoch in force, the project's head, the user's, the total, what the session has shown as JSON; then
    the versions, laid out and joined, their number, how many are not among them, the revision of the last one, and
    whether there is more (NULL: if the user's head is after it). The closings are those of a tombstone, of what is new
    to the reader, and of what is not.

    A page leaves out versions whose data has more bytes than asked for; by size, it ends where it has so many bytes. To
    look at sizes first takes half as long again.
    """
    recent: Callable[[bool], str]
    """project id, position, limit, bytes → a header, then the columns of RecentVersion, by size or not as in a page.

    What is left out is NULL. The header has the project's head for a revision, and for a created_revision the id of the
    epoch in force.
    """


@dataclass(frozen=True, slots=True)
class _Words:
    """In what the databases differ, as far as pages go."""

    utf8: str
    """Data as bytes, or as what can be joined to bytes."""
    of_bytes: str
    """The type."""
    joined: str
    of_types: str
    shown: str
    declared: str
    """A parameter has to be in a statement for PostgreSQL to know its type."""


_OF_POSTGRESQL: Final = _Words(
    utf8="convert_to(data, 'UTF8')",
    of_bytes="bytea",
    joined="string_agg(laid_out, ''::bytea)",
    of_types="entity_type = ANY($5::text[])",
    shown="json_object_agg(entity_type, revision)::text",
    declared=" AND ($2::text IS NULL OR true) AND ($3::text IS NULL OR true) AND ($5::text[] IS NULL OR true)",
)
_OF_SQLITE: Final = _Words(
    utf8="data",
    of_bytes="BLOB",
    joined="CAST(group_concat(CAST(laid_out AS TEXT), '') AS BLOB)",
    of_types="entity_type IN (SELECT value FROM json_each($5))",
    shown="json_group_object(entity_type, revision)",
    declared="",
)


def _page(words: _Words, shape: PageShape, by_size: bool) -> str:
    """Return the statement of a page; L5 makes it one."""
    scope, page_filter = "project_id = $1", ""
    user_head, total, shown, more = "0", "0", "NULL", "NULL"
    if shape.of_user:
        scope += " AND user_id = $2"
        user_head = f"coalesce((SELECT max(revision) FROM entities WHERE {scope}), 0)"
    if shape.of_types:
        page_filter = f" AND {words.of_types}"
    found = f"{scope} AND revision > $4{page_filter}"
    if shape.with_total:
        total = f"(SELECT count(*) FROM entities WHERE {found})"
    if shape.with_shown:
        shown = f"(SELECT {words.shown} FROM session_positions WHERE session_key = $3)"
    if shape.of_types or not shape.of_user:
        more = f"""(SELECT revision FROM entities WHERE {scope}{page_filter} AND revision > last
            ORDER BY revision LIMIT 1) IS NOT NULL"""
    deleted, new, changed = (f"CAST({closing} AS {words.of_bytes})" for closing in ("$8", "$9", "$10"))
    closing = f"CASE WHEN deleted THEN {deleted} WHEN created_revision > $4 THEN {new} ELSE {changed} END"
    laid_out = f"opening || {words.utf8} || {closing}"
    size = f"size_bytes + length(opening) + length({changed})"
    return f"""
        WITH joined AS (
            SELECT {words.joined} AS changes, count(*) AS found, count(*) - count(laid_out) AS left_out,
                max(revision) AS last
            FROM ({_rows(laid_out, "revision", found, ("$6 OFFSET $7", size, "$11"), by_size=by_size)}) AS page
        )
        SELECT epoch_id, head, {user_head}, {total}, {shown}, changes, found, left_out, last, {more}
        FROM joined CROSS JOIN (SELECT * FROM projects WHERE id = $1{words.declared} LIMIT 1) AS project"""


def _recent(words: _Words, by_size: bool) -> str:
    """Return the statement of the recent versions."""
    others = "revision, user_id, entity_type, deleted, created_revision"
    limits = ("$3", "size_bytes + length(opening)", "$4")
    laid_out, found = f"CAST(opening || {words.utf8} AS {words.of_bytes})", "project_id = $1 AND revision > $2"
    return f"""
        SELECT CAST(NULL AS {words.of_bytes}) AS laid_out, head AS revision, NULL AS user_id, NULL AS entity_type,
            false AS deleted, epoch_id AS created_revision
        FROM projects WHERE id = $1
        UNION ALL SELECT * FROM ({_rows(laid_out, others, found, limits, by_size=by_size)}) AS page"""


def _rows(laid_out: str, others: str, found: str, limits: tuple[str, str, str], *, by_size: bool) -> str:
    """Return what reads versions; `limits` are how many rows, what counts as bytes of a version, and how many bytes."""
    limit, size, most_bytes = limits
    if not by_size:
        laid_out = f"CASE WHEN size_bytes <= {most_bytes} THEN {laid_out} END"
    else:
        found += f""" AND revision <= (
            SELECT max(revision) FROM (
                SELECT revision, sum(size) OVER by_revision AS bytes, row_number() OVER by_revision AS place
                FROM (
                    SELECT revision, {size} AS size FROM entities WHERE {found} ORDER BY revision LIMIT {limit}
                ) AS sizes
                WINDOW by_revision AS (ORDER BY revision ROWS UNBOUNDED PRECEDING)
            ) AS sums
            WHERE place = 1 OR bytes <= {most_bytes})"""
    return f"SELECT {laid_out} AS laid_out, {others} FROM entities WHERE {found} ORDER BY revision LIMIT {limit}"


def _numbered(statement: str) -> str:
    """Return a statement with its parameters as SQLite numbers them."""
    return statement.replace("$", "?")


POSTGRESQL: Final = Statements(
    many=list,
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
    page=cache(partial(_page, _OF_POSTGRESQL)),
    recent=cache(partial(_recent, _OF_POSTGRESQL)),
)

SQLITE: Final = Statements(
    many=lambda values: json.dumps(list(values)),
    lock_head="SELECT head, NULL, epoch_id FROM projects WHERE id = ?",
    history=_numbered(_HISTORY),
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
    page=cache(lambda shape, by_size: _numbered(_page(_OF_SQLITE, shape, by_size))),
    recent=cache(lambda by_size: _numbered(_recent(_OF_SQLITE, by_size))),
)
