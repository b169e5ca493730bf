"""The statements in SQLite's SQL."""

import json
from functools import cache
from typing import Final

from syncline_server.store.pages import SqlDialect, page, recent
from syncline_server.store.statements import HISTORY, UPSERT, UPSERT_POSITION, VERSION_COLUMNS, Statements


def numbered(statement: str) -> str:
    """Return a statement with its parameters as SQLite numbers them."""
    return statement.replace("$", "?")


_DIALECT: Final = SqlDialect(
    utf8="data",
    of_bytes="BLOB",
    joined="CAST(group_concat(CAST(laid_out AS TEXT), '') AS BLOB)",
    of_types="entity_type IN (SELECT value FROM json_each($5))",
    shown="json_group_object(entity_type, revision)",
    place="NULL",
    declared="",
)

SQLITE: Final = Statements(
    many=lambda values: json.dumps(list(values)),
    lock_head="SELECT head, NULL, epoch_id, NULL FROM projects WHERE id = ?",
    history=numbered(HISTORY),
    positions="""
        SELECT session_key, entity_type, revision FROM session_positions
        WHERE session_key IN (SELECT value FROM json_each(?))""",
    news="""
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
        SELECT {VERSION_COLUMNS.replace(" data,", " CASE WHEN size_bytes <= ? THEN data END,")}
        FROM entities WHERE entity_key IN (SELECT value FROM json_each(?))""",
    large_data="SELECT entity_key, data FROM entities WHERE entity_key IN (SELECT value FROM json_each(?))",
    write=f"""
        INSERT INTO entities (project_id, {VERSION_COLUMNS}, opening)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        {UPSERT}""",
    save_positions=f"""
        INSERT INTO session_positions (session_key, entity_type, revision, project_id, updated_at_us)
        VALUES (?, ?, ?, ?, ?)
        {UPSERT_POSITION}""",
    move_head="UPDATE projects SET head = ? WHERE id = ?",
    page=cache(lambda shape, by_size: numbered(page(_DIALECT, shape, by_size))),
    recent=cache(lambda by_size: numbered(recent(_DIALECT, by_size))),
)
