"""What cannot be changed after a release: keys that begin with their owner and hold their project, heads by themselves,
commit times, several secrets and keys, notes, push ids, live servers.

On SQLite all of it is one step. On PostgreSQL it goes by phases (docs/decisions, migrations): EXPAND, each step in a
transaction of its own, then CONCURRENTLY; servers of this schema; the backfill of entities; CONTRACT. What a server of
the schema before writes meanwhile is refused: it locks another row than servers of this one do.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from alembic.operations import Operations

from syncline_server.store.migrations.frozen import foundations_postgresql
from syncline_server.store.migrations.frozen.administration import make_administration
from syncline_server.store.migrations.frozen.foundations import (
    KEPT_POSITIONS_US,
    Name,
    bind_devices,
    make_tables,
    owner_prefix,
    split_projects,
    there,
)

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OLDEST_SERVER = "0004"
"""The schema of the oldest server that may serve while this one is not finished."""
POSTGRESQL = foundations_postgresql

_ROWS_AT_ONCE = 10_000


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        return
    on = Operations(op.get_context())
    make_tables(on)
    _make_entities_anew()
    _copy("session_positions", _positions("session_positions_0004"), _POSITIONS)
    _copy("project_keys", _project_keys("project_keys_0004"), "*, NULL, NULL, NULL, NULL")
    _index_positions(on)
    split_projects(on)
    bind_devices(on)
    make_administration(on)
    for column in ("head", "session_secret", "epoch_id"):
        op.drop_column("projects", column)


_POSITIONS = f"session_key, entity_type, project_id, '', true, revision, updated_at_us + {KEPT_POSITIONS_US}"


def _positions(name: str) -> sa.Table:
    """Return the table of session positions; those there are were presented, by nobody knows whom."""
    return op.create_table(
        name,
        there("session_key", Name, comment="digest of project, user and session"),
        there("entity_type", Name, comment="empty: every type without a row of its own"),
        there("project_id", sa.BigInteger()),
        there("user_id", Name),
        there("with_device", sa.Boolean(create_constraint=False), comment="else of a session token"),
        there("revision", sa.BigInteger(), comment="furthest answered; with a device: last presented"),
        there("expires_at_us", sa.BigInteger()),
        sa.PrimaryKeyConstraint("session_key", "entity_type", "project_id", name="pk_session_positions"),
    )


def _index_positions(on: Operations) -> None:
    on.create_index("ix_session_positions_user_id", "session_positions", ["user_id"])
    on.create_index("ix_session_positions_expires_at_us", "session_positions", ["expires_at_us"])


def _project_keys(name: str) -> sa.Table:
    return op.create_table(
        name,
        there("id", Name),
        there("project_id", sa.BigInteger()),
        there("kind", Name),
        there("secret_hash", sa.LargeBinary()),
        there("created_at_us", sa.BigInteger()),
        sa.Column("name", Name, comment="for its operator"),
        sa.Column("expires_at_us", sa.BigInteger()),
        sa.Column("revoked_at_us", sa.BigInteger()),
        sa.Column("last_used_day", sa.Integer(), comment="days since the Unix epoch"),
        sa.PrimaryKeyConstraint("id", "project_id", name="pk_project_keys"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_project_keys_project"),
        sa.CheckConstraint("kind IN ('client', 'server')", name="ck_project_keys_kind"),
    )


def _copy(table: str, new: sa.Table, columns: str) -> None:
    """Fill a table from the one whose place it takes (SQLite)."""
    op.execute(f"INSERT INTO {new.name} SELECT {columns} FROM {table}")  # noqa: S608  # our own words
    op.drop_table(table)
    op.rename_table(new.name, table)


def _make_entities_anew() -> None:
    """Write the entities again, under keys of the new form, and say how far that is (SQLite)."""
    op.create_table(
        "entities_0004",
        there("entity_key", Name, comment="digest of the owner, then of project, owner, type and id"),
        there("project_id", sa.BigInteger()),
        *[there(name, Name) for name in ("user_id", "entity_type", "entity_id")],
        there("deleted", sa.Boolean(create_constraint=False)),
        there("size_bytes", sa.Integer(), comment="of data"),
        there("revision", sa.BigInteger()),
        there("created_revision", sa.BigInteger()),
        there("committed_ms", sa.BigInteger(), comment="the store's clock at the commit"),
        sa.Column("client_timestamp_us", sa.BigInteger(), comment="as it was sent"),
        there("session", Name, comment="who wrote it"),
        there("merged_unseen", sa.Boolean(create_constraint=False)),
        there("digest", sa.LargeBinary(), comment="of the change that made it"),
        there("data", sa.Text(), comment="JSON object"),
        there("opening", sa.LargeBinary(), comment="what readers get before the data"),
        sa.PrimaryKeyConstraint("entity_key", "project_id", name="pk_entities"),
    )
    connection = op.get_bind()
    connection.connection.create_function("owner_prefix", 2, owner_prefix)
    last, rows = connection.execute(sa.text("SELECT coalesce(max(rowid), 0), count(*) FROM entities")).one()
    copy = sa.text(f"""
        INSERT INTO entities_0004
        SELECT owner_prefix(project_id, user_id) || entity_key, {_BEFORE}, revision / 1000, {_AFTER}
        FROM entities WHERE rowid > :after AND rowid <= :until""")  # noqa: S608  # as above
    done = 0
    for after in range(0, last, _ROWS_AT_ONCE):
        done += connection.execute(copy, {"after": after, "until": after + _ROWS_AT_ONCE}).rowcount
        _progress(done, rows)
    op.drop_table("entities")
    op.rename_table("entities_0004", "entities")
    op.create_index("ix_entities_project_revision", "entities", ["project_id", "revision"], unique=True)
    op.create_index("ix_entities_user_revision", "entities", ["project_id", "user_id", "revision"], unique=True)


_BEFORE = "project_id, user_id, entity_type, entity_id, deleted, size_bytes, revision, created_revision"
_AFTER = "client_timestamp_us, session, merged_unseen, digest, data, opening"


def _progress(done: int, rows: int) -> None:
    config = op.get_context().config
    report = config.attributes.get("progress") if config else None
    if report is not None:
        report(done, rows)
