"""The schema, stated once; migrations build it and a test holds them to it.

Whatever belongs to a project has the project in its primary key, so that an engine can partition or distribute it by
project; the column that it is looked up by stands first. No other index of such a table has the project in it:
PostgreSQL would take it for as good (docs/decisions, schema).
"""

from typing import Final

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    event,
    false,
)

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

Name: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Compared byte for byte, on PostgreSQL as on SQLite."""

BigKey: Final = BigInteger().with_variant(Integer, "sqlite")
"""SQLite has an INTEGER PRIMARY KEY for its row id, and so without an index of its own."""

projects: Final = Table(
    "projects",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=False, comment="random: no two databases share one"),
    Column("name", Name, nullable=False, unique=True),
    Column("created_at_us", BigInteger, nullable=False),
    Column(
        "bound_devices",
        Boolean(create_constraint=False),
        nullable=False,
        server_default=false(),
        comment="whether a session may name no device but the one in its token",
    ),
    Column("disabled_at_us", BigInteger, comment="since when all its calls are refused"),
    Column("delete_at_us", BigInteger, comment="when its rows go; until then it can be read"),
)

session_secrets: Final = Table(
    "session_secrets",
    metadata,
    Column("id", Name, nullable=False),
    Column("project_id", BigInteger, ForeignKey("projects.id", name="fk_session_secrets_project"), nullable=False),
    Column("secret", Text, nullable=False, comment="HS256 secret of session tokens; the newest signs, all verify"),
    Column("created_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("id", "project_id", name="pk_session_secrets"),
    Index("ix_session_secrets_project_id", "project_id"),
)

project_keys: Final = Table(
    "project_keys",
    metadata,
    Column("id", Name, nullable=False),
    Column("project_id", BigInteger, ForeignKey("projects.id", name="fk_project_keys_project"), nullable=False),
    Column("kind", Name, CheckConstraint("kind IN ('client', 'server')", name="ck_project_keys_kind"), nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("name", Name, comment="for its operator"),
    Column("expires_at_us", BigInteger),
    Column("revoked_at_us", BigInteger),
    Column("last_used_day", Integer, comment="days since the Unix epoch"),
    PrimaryKeyConstraint("id", "project_id", name="pk_project_keys"),
)

heads: Final = Table(
    "heads",
    metadata,
    Column("project_id", BigKey, primary_key=True, autoincrement=False),
    Column("head", BigInteger, nullable=False, comment="a floor of it; the row lock orders all commits"),
    Column("epoch_id", BigInteger, nullable=False, comment="the one in force"),
    Column("rows_schema", Name, nullable=False, comment="the oldest schema that a row of the project may be of"),
    Column("backfilled_revision", BigInteger, nullable=False, comment="up to which rows are of a newer one"),
    # The head moves with every commit: room on the page keeps those updates from touching the index.
    postgresql_with={"fillfactor": 20},
)

entities: Final = Table(
    "entities",
    metadata,
    Column("entity_key", Name, nullable=False, comment="digest of the owner, then of project, owner, type and id"),
    Column("project_id", BigInteger, nullable=False),
    Column("user_id", Name, nullable=False),
    Column("entity_type", Name, nullable=False),
    Column("entity_id", Name, nullable=False),
    Column("deleted", Boolean(create_constraint=False), nullable=False),
    Column("size_bytes", Integer, nullable=False, comment="of data"),
    Column("revision", BigInteger, nullable=False),
    Column("created_revision", BigInteger, nullable=False),
    Column("committed_ms", BigInteger, nullable=False, comment="the store's clock at the commit"),
    Column("client_timestamp_us", BigInteger, comment="as it was sent"),
    Column("session", Name, nullable=False, comment="who wrote it"),
    Column("merged_unseen", Boolean(create_constraint=False), nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="of the change that made it"),
    # Last, so that SQLite finds the other columns without walking the overflow pages of large data.
    Column("data", Text, nullable=False, comment="JSON object"),
    Column("opening", LargeBinary, nullable=False, comment="what readers get before the data"),
    PrimaryKeyConstraint("entity_key", "project_id", name="pk_entities"),
    Index("ix_entities_project_revision", "project_id", "revision", unique=True),
    Index("ix_entities_user_revision", "project_id", "user_id", "revision", unique=True),
    sqlite_autoincrement=False,
)
# Where all rows are of one user, PostgreSQL takes users for no help in finding any, and reads the whole project for the
# next user's first page: it is to assume that each row has a user of its own.
_USERS_TELL_ROWS_APART: Final = DDL("ALTER TABLE entities ALTER COLUMN user_id SET (n_distinct = -1)")  # type: ignore[no-untyped-call]  # not annotated
event.listen(entities, "after_create", _USERS_TELL_ROWS_APART.execute_if(dialect="postgresql"))

notes: Final = Table(
    "notes",
    metadata,
    Column("note_key", Name, nullable=False, comment="digest of the owner, then of project, owner and name"),
    Column("project_id", BigInteger, nullable=False),
    Column("owner", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("expires_at_us", BigInteger),
    Column("value", LargeBinary, nullable=False),
    PrimaryKeyConstraint("note_key", "project_id", name="pk_notes"),
    Index("ix_notes_owner", "owner"),
    Index("ix_notes_expires_at_us", "expires_at_us"),
)

push_ids: Final = Table(
    "push_ids",
    metadata,
    Column("push_key", Name, nullable=False, comment="digest of project, user, device and push id"),
    Column("project_id", BigInteger, nullable=False),
    Column("user_id", Name, nullable=False),
    Column("device", Name, nullable=False, comment="empty when not known"),
    Column("push_id", Name, nullable=False),
    Column("request_digest", LargeBinary, nullable=False),
    Column("outcomes", LargeBinary, nullable=False, comment="outcome and revision of each change"),
    Column("expires_at_us", BigInteger, nullable=False, comment="also their order: all are kept as long"),
    PrimaryKeyConstraint("push_key", "project_id", name="pk_push_ids"),
    Index("ix_push_ids_device", "user_id", "device", "expires_at_us"),
    Index("ix_push_ids_expires_at_us", "expires_at_us"),
)

used_tickets: Final = Table(
    "used_tickets",
    metadata,
    Column("id", Name, nullable=False),
    Column("project_id", BigInteger, nullable=False),
    Column("expires_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("id", "project_id", name="pk_used_tickets"),
    Index("ix_used_tickets_expires_at_us", "expires_at_us"),
)

session_positions: Final = Table(
    "session_positions",
    metadata,
    Column("session_key", Name, nullable=False, comment="digest of project, user and session"),
    Column("entity_type", Name, nullable=False, comment="empty: every type without a row of its own"),
    Column("project_id", BigInteger, nullable=False),
    Column("user_id", Name, nullable=False),
    Column("with_device", Boolean(create_constraint=False), nullable=False, comment="else of a session token"),
    Column("revision", BigInteger, nullable=False, comment="furthest answered; with a device: last presented"),
    Column("expires_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("session_key", "entity_type", "project_id", name="pk_session_positions"),
    Index("ix_session_positions_user_id", "user_id"),
    Index("ix_session_positions_expires_at_us", "expires_at_us"),
)

checkpoint_keys: Final = Table(
    "checkpoint_keys",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False, comment="random, 1 to 255"),
    Column("secret", LargeBinary, nullable=False, comment="of checkpoint tokens; the newest signs, all are read"),
    Column("created_at_us", BigInteger, nullable=False),
)

epochs: Final = Table(
    "epochs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False, comment="their order; the last is in force"),
    Column("id", BigInteger, nullable=False, unique=True, comment="random, never reused"),
    Column("started_at_us", BigInteger, nullable=False),
    Column("cause", Name, nullable=False),
    Column("incarnation", Name, nullable=False, comment="of the database, in which the epoch began"),
)

epoch_forks: Final = Table(
    "epoch_forks",
    metadata,
    Column("project_id", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch_number", Integer, primary_key=True, autoincrement=False),
    Column("fork_revision", BigInteger, nullable=False, comment="the project's head when the epoch ended"),
    sqlite_with_rowid=False,
)

servers: Final = Table(
    "servers",
    metadata,
    Column("id", Name, primary_key=True, comment="random, one a process"),
    Column("version", Name, nullable=False),
    Column("schema", Name, nullable=False, comment="that it works with"),
    Column("address", Name, nullable=False),
    Column("started_at_us", BigInteger, nullable=False),
    Column("heard_at_us", BigInteger, nullable=False),
)

migrations: Final = Table(
    "migrations",
    metadata,
    Column("schema", Name, primary_key=True),
    Column("oldest_server", Name, nullable=False, comment="servers of this schema and later ones may serve"),
    Column("steps_done", Integer, nullable=False),
    Column("expanded_at_us", BigInteger),
    Column("finished_at_us", BigInteger),
)

operators: Final = Table(
    "operators",
    metadata,
    Column("id", Name, primary_key=True),
    Column("name", Name, nullable=False, comment="as the audit knows them"),
    Column("role", Name, CheckConstraint("role IN ('viewer', 'operator')", name="ck_operators_role"), nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("revoked_at_us", BigInteger),
)

audit: Final = Table(
    "audit",
    metadata,
    Column("at_us", BigInteger, nullable=False),
    Column("id", Name, nullable=False, comment="random: of acts at one time"),
    Column("by", Name, nullable=False, comment="who"),
    Column("act", Name, nullable=False, comment="what, as `key.revoke`"),
    Column("project", Name, nullable=False, comment="name of the project that it concerned; empty: none"),
    Column("subject", Name, nullable=False, comment="id of what it concerned; empty: the project, or all"),
    PrimaryKeyConstraint("at_us", "id", name="pk_audit"),
    Index("ix_audit_project", "project", "at_us", "id"),
)
