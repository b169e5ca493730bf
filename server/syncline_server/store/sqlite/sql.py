"""The statements in SQLite's SQL."""

import json
from functools import cache
from typing import Final

from syncline_server.store import lookups
from syncline_server.store.dialect import SqlDialect
from syncline_server.store.pages import circle, entities, page, recent
from syncline_server.store.statements import (
    HISTORY,
    NOTE_COLUMNS,
    POSITION_COLUMNS,
    PUSH_COLUMNS,
    UPSERT,
    UPSERT_NOTE,
    UPSERT_POSITION,
    UPSERT_PUSH,
    VERSION_COLUMNS,
    Statements,
)
from syncline_server.sync.store import REMEMBERED_PUSHES


def numbered(statement: str) -> str:
    """Return a statement with its parameters as SQLite numbers them."""
    return statement.replace("$", "?")


_ENTITY_OF_KEY: Final = "CROSS JOIN entities ON entity_key = wanted_key AND project_id = $1"
_DIALECT: Final = SqlDialect(
    utf8="data",
    of_bytes="BLOB",
    joined="CAST(group_concat(CAST(laid_out AS TEXT), '') AS BLOB)",
    among=lambda column, parameter: f"{column} IN (SELECT value FROM json_each({parameter}))",
    heads="json_each($1) AS asked CROSS JOIN heads ON heads.project_id = asked.value",
    shown="json_group_object(entity_type, revision)",
    greatest="max",
    place="NULL",
    clock="NULL",
    found=f"(SELECT value AS wanted_key, key AS ordinal FROM json_each($3)) AS wanted {_ENTITY_OF_KEY}",
    carried="ordinal, wanted_key",  # data itself would be copied
    again=_ENTITY_OF_KEY,
    declared="",
)

_OF_HEAD: Final = "SELECT {} FROM heads WHERE project_id = value"


def _locked_heads(of_one: bool) -> str:
    if of_one:
        return f"SELECT project_id, {_DIALECT.head_of('?1')}, NULL FROM heads WHERE project_id = ?1"
    floor = f"({_OF_HEAD.format('head')})"
    return f"SELECT value, {_DIALECT.head_of('value', floor)}, NULL FROM json_each(?1)"


def _news(of_one: bool) -> str:
    project, queries = ("?1", "?2") if of_one else ("query.project_id", "?1")
    columns = [*([] if of_one else ["project_id"]), "user_id", "session", "after_revision"]
    values = ", ".join(f"value ->> {at} AS {column}" for at, column in enumerate(columns))
    return f"""
        WITH query AS MATERIALIZED (SELECT key AS ordinal, {values} FROM json_each({queries}))
        SELECT query.ordinal,
            coalesce((SELECT max(revision) FROM entities WHERE project_id = {project} AND user_id = query.user_id), 0),
            EXISTS (SELECT 1 FROM entities AS other
                WHERE other.project_id = {project} AND other.user_id = query.user_id
                    AND other.revision > query.after_revision
                    AND (query.session = '' OR other.session <> query.session OR other.merged_unseen)
                ORDER BY other.revision)
        FROM query"""


SQLITE: Final = Statements(
    many=lambda values: json.dumps(list(values)),
    lock_head="SELECT project_id, epoch_id, rows_schema FROM heads WHERE project_id = ?1",
    # By look-ups of single rows: joined, a table that had one row when it was analysed would be scanned for each.
    lock_heads=lambda _: (
        f"SELECT value, ({_OF_HEAD.format('epoch_id')}), ({_OF_HEAD.format('rows_schema')}) FROM json_each(?1)"
    ),
    locked_heads=cache(_locked_heads),
    history=numbered(HISTORY),
    positions=cache(lambda of_one: numbered(lookups.positions(_DIALECT, of_one))),
    news=cache(_news),
    versions=cache(lambda of_one: numbered(lookups.versions(_DIALECT, of_one))),
    large_data=numbered(lookups.large_data(_DIALECT)),
    write=f"""
        INSERT INTO entities (project_id, {VERSION_COLUMNS}, opening)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        {UPSERT}""",
    save_positions=f"""
        INSERT INTO session_positions (project_id, {POSITION_COLUMNS})
        VALUES (?, ?, ?, ?, ?, ?, ?)
        {UPSERT_POSITION}""",
    notes=cache(lambda of_one: numbered(lookups.notes(_DIALECT, of_one))),
    write_notes=f"""
        INSERT INTO notes (project_id, {NOTE_COLUMNS})
        VALUES (?, ?, ?, ?, ?, ?, ?)
        {UPSERT_NOTE}""",
    remembered=cache(lambda of_one: numbered(lookups.remembered(_DIALECT, of_one))),
    remember=f"""
        INSERT INTO push_ids (project_id, {PUSH_COLUMNS})
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        {UPSERT_PUSH}""",
    forget=f"""
        WITH swept AS MATERIALIZED (
            SELECT value ->> 0 AS user_id, value ->> 1 AS device FROM json_each(?3)
        )
        DELETE FROM push_ids WHERE rowid IN (
            SELECT old.rowid FROM swept CROSS JOIN push_ids AS old
            WHERE old.user_id = swept.user_id AND old.device = swept.device AND old.project_id = ?1
                AND old.expires_at_us > ?2 AND old.expires_at_us < (
                    SELECT kept.expires_at_us FROM push_ids AS kept
                    WHERE kept.user_id = swept.user_id AND kept.device = swept.device AND kept.project_id = ?1
                    ORDER BY kept.expires_at_us DESC LIMIT 1 OFFSET {REMEMBERED_PUSHES - 1}))""",
    heads=numbered(lookups.heads(_DIALECT)),
    page=cache(lambda shape, by_size: numbered(page(_DIALECT, shape, by_size))),
    entities=cache(lambda by_size, with_notes: numbered(entities(_DIALECT, by_size, with_notes))),
    circle=cache(lambda shape: numbered(circle(_DIALECT, shape))),
    recent=cache(lambda by_size: numbered(recent(_DIALECT, by_size))),
)
