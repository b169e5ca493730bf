"""The statements in PostgreSQL's SQL."""

from functools import cache, partial
from typing import Final

from syncline_server.store.pages import SqlDialect, page, recent
from syncline_server.store.postgresql.incarnation import PLACE
from syncline_server.store.statements import HISTORY, UPSERT, UPSERT_POSITION, VERSION_COLUMNS, Statements

_DIALECT: Final = SqlDialect(
    utf8="convert_to(data, 'UTF8')",
    of_bytes="bytea",
    joined="string_agg(laid_out, ''::bytea)",
    of_types="entity_type = ANY($5::text[])",
    shown="json_object_agg(entity_type, revision)::text",
    place=PLACE,
    declared=" AND ($2::text IS NULL OR true) AND ($3::text IS NULL OR true) AND ($5::text[] IS NULL OR true)",
)

POSTGRESQL: Final = Statements(
    many=list,
    lock_head=f"""
        SELECT head, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, epoch_id,
            {PLACE} AS place
        FROM projects WHERE id = $1 FOR UPDATE""",
    history=HISTORY,
    positions="""
        SELECT session_key, entity_type, revision FROM session_positions WHERE session_key = ANY($1::text[])""",
    news="""
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
        SELECT {VERSION_COLUMNS.replace(" data,", " CASE WHEN size_bytes <= $1 THEN data END,")}
        FROM entities WHERE entity_key = ANY($2::text[])""",
    large_data="SELECT entity_key, data FROM entities WHERE entity_key = ANY($1::text[])",
    write=f"""
        INSERT INTO entities (project_id, {VERSION_COLUMNS}, opening)
        SELECT $1::bigint, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[],
            $8::integer[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::boolean[], $14::bytea[],
            $15::bytea[])
        {UPSERT}""",
    save_positions=f"""
        INSERT INTO session_positions (session_key, entity_type, revision, project_id, updated_at_us)
        SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
        {UPSERT_POSITION}""",
    move_head="UPDATE projects SET head = $1 WHERE id = $2",
    page=cache(partial(page, _DIALECT)),
    recent=cache(partial(recent, _DIALECT)),
)
