"""Schema 0004 on PostgreSQL, by phases."""

import time

import sqlalchemy as sa
from alembic.operations import Operations

from syncline_server.store.migrations.frozen.administration import make_administration
from syncline_server.store.migrations.frozen.foundations import (
    KEPT_POSITIONS_US,
    bind_devices,
    make_tables,
    owner_prefix,
    split_projects,
)

_OLD_KEY_CHARACTERS = 22


def _widen_entities(on: Operations) -> None:
    on.execute("ALTER TABLE entities ADD COLUMN committed_ms bigint, ALTER COLUMN client_timestamp_us DROP NOT NULL")


def _widen_positions(on: Operations) -> None:
    expires_at_us = time.time_ns() // 1000 + KEPT_POSITIONS_US
    on.execute(f"""
        ALTER TABLE session_positions ADD COLUMN user_id text COLLATE "C" NOT NULL DEFAULT '',
            ADD COLUMN with_device boolean NOT NULL DEFAULT true,
            ADD COLUMN expires_at_us bigint NOT NULL DEFAULT {expires_at_us},
            ALTER COLUMN updated_at_us SET DEFAULT 0""")


def _widen_keys(on: Operations) -> None:
    on.execute("""
        ALTER TABLE project_keys ADD COLUMN name text COLLATE "C", ADD COLUMN expires_at_us bigint,
            ADD COLUMN revoked_at_us bigint, ADD COLUMN last_used_day integer,
            DROP CONSTRAINT pk_project_keys, ADD CONSTRAINT pk_project_keys PRIMARY KEY (id, project_id)""")


def _separate_heads(on: Operations) -> None:
    """Move heads to their own table, for ever: who still writes to the old place is refused, who reads there may."""
    on.execute("LOCK TABLE projects IN ACCESS EXCLUSIVE MODE")  # after the commits under way
    split_projects(on)
    on.execute("""
        ALTER TABLE projects ALTER COLUMN id DROP IDENTITY, ALTER COLUMN head SET DEFAULT 0,
            -- A server of the schema before is not to take tokens that anybody could sign.
            ALTER COLUMN session_secret SET DEFAULT gen_random_uuid()::text || gen_random_uuid()""")
    on.execute("""
        CREATE FUNCTION syncline_mirror_head() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            UPDATE projects SET head = NEW.head, epoch_id = NEW.epoch_id WHERE id = NEW.project_id;
            RETURN NULL;
        END $$""")
    on.execute("""
        CREATE FUNCTION syncline_refuse_head() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'the schema is 0004: this server is too old to write' USING ERRCODE = '57P03';
        END $$""")
    on.execute("""
        CREATE TRIGGER syncline_mirror_head AFTER INSERT OR UPDATE OF head, epoch_id ON heads
        FOR EACH ROW EXECUTE FUNCTION syncline_mirror_head()""")
    on.execute("""
        CREATE TRIGGER syncline_refuse_head BEFORE UPDATE OF head, epoch_id ON projects
        FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION syncline_refuse_head()""")


EXPAND = (
    make_tables,
    bind_devices,
    _widen_entities,
    _widen_positions,
    _widen_keys,
    _separate_heads,
    make_administration,
)
CONCURRENTLY = {
    "pk_entities_0004": "UNIQUE INDEX {} ON entities (entity_key, project_id)",
    "pk_session_positions_0004": "UNIQUE INDEX {} ON session_positions (session_key, entity_type, project_id)",
    "ix_session_positions_user_id": "INDEX {} ON session_positions (user_id)",
    "ix_session_positions_expires_at_us": "INDEX {} ON session_positions (expires_at_us)",
}


def backfill(connection: sa.Connection, project_id: int, after_revision: int, limit: int) -> tuple[int, int]:
    """Give so many entities of a project what this schema has more; return how many there were, and the last revision.

    The caller holds the project's head.
    """
    page = sa.text("""
        SELECT entity_key, user_id, revision FROM entities WHERE project_id = :project AND revision > :after
        ORDER BY revision LIMIT :limit""")
    rows = connection.execute(page, {"project": project_id, "after": after_revision, "limit": limit}).all()
    old = {row.entity_key: row for row in rows if len(row.entity_key) == _OLD_KEY_CHARACTERS}
    update = sa.text("""
        UPDATE entities SET committed_ms = revision / 1000, entity_key = new.prefix || entity_key
        FROM unnest(CAST(:keys AS text[]), CAST(:prefixes AS text[])) AS new (entity, prefix)
        WHERE entity_key = new.entity""")
    prefixes = [owner_prefix(project_id, row.user_id) for row in old.values()]
    if old:
        connection.execute(update, {"keys": list(old), "prefixes": prefixes})
    return len(rows), rows[-1].revision if rows else after_revision


def _require_commit_times(on: Operations) -> None:
    on.execute("ALTER TABLE entities ADD CONSTRAINT committed CHECK (committed_ms IS NOT NULL) NOT VALID")


def _look_at_commit_times(on: Operations) -> None:
    on.execute("ALTER TABLE entities VALIDATE CONSTRAINT committed")


def _take_entity_keys(on: Operations) -> None:
    on.execute("""
        ALTER TABLE entities ALTER COLUMN committed_ms SET NOT NULL, DROP CONSTRAINT committed,
            DROP CONSTRAINT pk_entities, ADD CONSTRAINT pk_entities PRIMARY KEY USING INDEX pk_entities_0004""")


def _take_position_keys(on: Operations) -> None:
    on.execute("""
        ALTER TABLE session_positions DROP COLUMN updated_at_us, ALTER COLUMN user_id DROP DEFAULT,
            ALTER COLUMN with_device DROP DEFAULT, ALTER COLUMN expires_at_us DROP DEFAULT,
            DROP CONSTRAINT pk_session_positions,
            ADD CONSTRAINT pk_session_positions PRIMARY KEY USING INDEX pk_session_positions_0004""")


def _drop_the_mirror(on: Operations) -> None:
    on.execute("DROP TRIGGER syncline_mirror_head ON heads")
    on.execute("DROP FUNCTION syncline_mirror_head")


def _drop_old_heads(on: Operations) -> None:
    on.execute("DROP TRIGGER syncline_refuse_head ON projects")
    on.execute("DROP FUNCTION syncline_refuse_head")
    on.execute("ALTER TABLE projects DROP COLUMN head, DROP COLUMN session_secret, DROP COLUMN epoch_id")


_COMMENTS = {
    "checkpoint_keys.id": "random, 1 to 255",
    "checkpoint_keys.secret": "of checkpoint tokens; the newest signs, all are read",
    "entities.client_timestamp_us": "as it was sent",
    "entities.committed_ms": "the store's clock at the commit",
    "entities.entity_key": "digest of the owner, then of project, owner, type and id",
    "project_keys.last_used_day": "days since the Unix epoch",
    "project_keys.name": "for its operator",
    "projects.id": "random: no two databases share one",
    "session_positions.revision": "furthest answered; with a device: last presented",
    "session_positions.with_device": "else of a session token",
}


def _comment(on: Operations) -> None:
    for column, comment in _COMMENTS.items():
        on.execute(f"COMMENT ON COLUMN {column} IS '{comment.replace(chr(39), chr(39) * 2)}'")


CONTRACT = (
    _comment,
    _require_commit_times,
    _look_at_commit_times,
    _take_entity_keys,
    _take_position_keys,
    _drop_the_mirror,
    _drop_old_heads,
)
