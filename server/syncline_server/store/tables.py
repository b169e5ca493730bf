"""The schema, stated once; migrations build it and a test holds them to it."""

from typing import Final

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    event,
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
"""SQLite numbers only INTEGER PRIMARY KEY by itself."""

projects: Final = Table(
    "projects",
    metadata,
    Column("id", BigKey, Identity(always=True), primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("head", BigInteger, nullable=False, default=0, comment="last revision; its row lock orders all commits"),
    Column("session_secret", Text, nullable=False, comment="HS256 secret of session tokens"),
    Column("created_at_us", BigInteger, nullable=False),
    Column("epoch_id", BigInteger, nullable=False, server_default="0", comment="the one in force"),
    # The head moves with every commit: room on the page keeps those updates from touching the index.
    postgresql_with={"fillfactor": 20},
)

project_keys: Final = Table(
    "project_keys",
    metadata,
    Column("id", Name, primary_key=True),
    Column("project_id", BigInteger, ForeignKey("projects.id", name="fk_project_keys_project"), nullable=False),
    Column("kind", Name, CheckConstraint("kind IN ('client', 'server')", name="ck_project_keys_kind"), nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
)

entities: Final = Table(
    "entities",
    metadata,
    Column("entity_key", Name, primary_key=True, comment="digest of project, user, type and id"),
    Column("project_id", BigInteger, nullable=False),
    Column("user_id", Name, nullable=False),
    Column("entity_type", Name, nullable=False),
    Column("entity_id", Name, nullable=False),
    Column("deleted", Boolean(create_constraint=False), nullable=False),
    Column("size_bytes", Integer, nullable=False, comment="of data"),
    Column("revision", BigInteger, nullable=False),
    Column("created_revision", BigInteger, nullable=False),
    Column("client_timestamp_us", BigInteger, nullable=False),
    Column("session", Name, nullable=False, comment="who wrote it"),
    Column("merged_unseen", Boolean(create_constraint=False), nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="of the change that made it"),
    # Last, so that SQLite finds the other columns without walking the overflow pages of large data.
    Column("data", Text, nullable=False, comment="JSON object"),
    Column("opening", LargeBinary, nullable=False, comment="what readers get before the data"),
    Index("ix_entities_project_revision", "project_id", "revision", unique=True),
    Index("ix_entities_user_revision", "project_id", "user_id", "revision", unique=True),
    sqlite_autoincrement=False,
)
# Where all rows are of one user, PostgreSQL takes users for no help in finding any, and reads the whole project for the
# next user's first page: it is to assume that each row has a user of its own.
_USERS_TELL_ROWS_APART: Final = DDL("ALTER TABLE entities ALTER COLUMN user_id SET (n_distinct = -1)")  # type: ignore[no-untyped-call]  # not annotated
event.listen(entities, "after_create", _USERS_TELL_ROWS_APART.execute_if(dialect="postgresql"))

session_positions: Final = Table(
    "session_positions",
    metadata,
    Column("session_key", Name, primary_key=True, comment="digest of project, user and session"),
    Column("entity_type", Name, primary_key=True, comment="empty: every type without a row of its own"),
    Column("revision", BigInteger, nullable=False),
    Column("project_id", BigInteger, nullable=False),
    Column("updated_at_us", BigInteger, nullable=False),
    Index("ix_session_positions_updated_at_us", "updated_at_us"),
)

checkpoint_keys: Final = Table(
    "checkpoint_keys",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("secret", LargeBinary, nullable=False, comment="signs checkpoint tokens"),
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
