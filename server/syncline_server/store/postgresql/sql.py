"""The statements in PostgreSQL's SQL."""

from functools import cache, partial
from typing import Final

from syncline_server.store import lookups
from syncline_server.store.dialect import SqlDialect
from syncline_server.store.pages import circle, entities, page, recent
from syncline_server.store.postgresql.incarnation import PLACE
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

_DIALECT: Final = SqlDialect(
    utf8="convert_to(data, 'UTF8')",
    of_bytes="bytea",
    joined="string_agg(laid_out, ''::bytea)",
    among=lambda column, parameter: f"{column} = ANY({parameter}::text[])",
    heads="heads WHERE project_id = ANY($1::bigint[])",
    shown="json_object_agg(entity_type, revision)::text",
    greatest="greatest",
    place=PLACE,
    clock="(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
    # Joined to the keys, PostgreSQL finds entities by another index than that of their keys on a table without rows.
    found="""(
        SELECT *, array_position($3::text[], entity_key COLLATE "default") - 1 AS ordinal
        FROM entities WHERE entity_key = ANY($3::text[]) AND project_id = $1) AS entities""",
    carried="entities.*",
    again="",
    declared=" AND ($2::text IS NULL OR true) AND ($3::text IS NULL OR true) AND ($5::text[] IS NULL OR true)",
)

_LOCKED: Final = f"SELECT project_id, epoch_id, rows_schema, {PLACE} AS place"


def _locked_heads(of_one: bool) -> str:
    project, heads = ("$1", "heads WHERE project_id = $1") if of_one else ("heads.project_id", _DIALECT.heads)
    return f"""
        SELECT project_id, {_DIALECT.head_of(project)}, {_DIALECT.clock}
        FROM {heads}"""


def _news(of_one: bool) -> str:
    project, queries, names = "$1", "$2::text[], $3::text[], $4::bigint[]", "user_id, session, after_revision"
    if not of_one:
        project, queries, names = "query.project_id", f"$1::bigint[], {queries}", f"project_id, {names}"
    return f"""
        SELECT query.ordinal,
            coalesce((SELECT max(revision) FROM entities WHERE project_id = {project} AND user_id = query.user_id), 0),
            (SELECT true FROM entities AS other
                WHERE other.project_id = {project} AND other.user_id = query.user_id
                    AND other.revision > query.after_revision
                    AND (query.session = '' OR other.session <> query.session OR other.merged_unseen)
                ORDER BY other.revision LIMIT 1) IS NOT NULL
        FROM unnest({queries}) WITH ORDINALITY AS query ({names}, ordinal)"""


POSTGRESQL: Final = Statements(
    many=list,
    lock_head=f"{_LOCKED} FROM heads WHERE project_id = $1 FOR UPDATE",
    # In one order everywhere, so that two processes never wait for each other.
    lock_heads=lambda wait: (
        f"{_LOCKED} FROM {_DIALECT.heads} ORDER BY project_id FOR UPDATE{'' if wait else ' SKIP LOCKED'}"
    ),
    locked_heads=cache(_locked_heads),
    history=HISTORY,
    positions=cache(partial(lookups.positions, _DIALECT)),
    news=cache(_news),
    versions=cache(partial(lookups.versions, _DIALECT)),
    large_data=lookups.large_data(_DIALECT),
    write=f"""
        INSERT INTO entities (project_id, {VERSION_COLUMNS}, opening)
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[],
            $7::text[], $8::integer[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[],
            $14::boolean[], $15::bytea[], $16::bytea[])
        {UPSERT}""",
    save_positions=f"""
        INSERT INTO session_positions (project_id, {POSITION_COLUMNS})
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::boolean[],
            $7::bigint[])
        {UPSERT_POSITION}""",
    notes=cache(partial(lookups.notes, _DIALECT)),
    write_notes=f"""
        INSERT INTO notes (project_id, {NOTE_COLUMNS})
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bytea[])
        {UPSERT_NOTE}""",
    remembered=cache(partial(lookups.remembered, _DIALECT)),
    remember=f"""
        INSERT INTO push_ids (project_id, {PUSH_COLUMNS})
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bytea[],
            $8::bigint[])
        {UPSERT_PUSH}""",
    # The sum is there as in `remembered`.
    forget=f"""
        DELETE FROM push_ids WHERE project_id = $1 AND push_key = ANY (ARRAY(
            SELECT beyond.push_key
            FROM unnest($3::text[], $4::text[]) AS swept (user_id, device) CROSS JOIN LATERAL (
                SELECT old.push_key, old.expires_at_us FROM push_ids AS old
                WHERE old.project_id = $1 AND old.user_id = swept.user_id AND old.device = swept.device
                ORDER BY old.expires_at_us + 0 DESC OFFSET {REMEMBERED_PUSHES}) AS beyond
            WHERE beyond.expires_at_us > $2))""",
    heads=lookups.heads(_DIALECT),
    page=cache(partial(page, _DIALECT)),
    entities=cache(partial(entities, _DIALECT)),
    circle=cache(partial(circle, _DIALECT)),
    recent=cache(partial(recent, _DIALECT)),
)
