"""The log, its projects and what signs its tokens.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Name = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BigKey = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "projects",
        sa.Column("id", BigKey, sa.Identity(always=True), nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("head", sa.BigInteger(), nullable=False, comment="last revision; its row lock orders all commits"),
        sa.Column("session_secret", sa.Text(), nullable=False, comment="HS256 secret of session tokens"),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.UniqueConstraint("name", name="uq_projects_name"),
        postgresql_with={"fillfactor": 20},
    )
    op.create_table(
        "project_keys",
        sa.Column("id", Name, nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", Name, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_project_keys"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_project_keys_project"),
        sa.CheckConstraint("kind IN ('client', 'server')", name="ck_project_keys_kind"),
    )
    op.create_table(
        "entities",
        sa.Column("entity_key", Name, nullable=False, comment="digest of project, user, type and id"),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", Name, nullable=False),
        sa.Column("entity_type", Name, nullable=False),
        sa.Column("entity_id", Name, nullable=False),
        sa.Column("deleted", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False, comment="of data"),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_revision", sa.BigInteger(), nullable=False),
        sa.Column("client_timestamp_us", sa.BigInteger(), nullable=False),
        sa.Column("session", Name, nullable=False, comment="who wrote it"),
        sa.Column("merged_unseen", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="of the change that made it"),
        sa.Column("data", sa.Text(), nullable=False, comment="JSON object"),
        sa.PrimaryKeyConstraint("entity_key", name="pk_entities"),
    )
    # The user's index last: between indexes that cost the same, as on an empty table, PostgreSQL takes the newest.
    op.create_index("ix_entities_project_revision", "entities", ["project_id", "revision"], unique=True)
    op.create_index("ix_entities_user_revision", "entities", ["project_id", "user_id", "revision"], unique=True)
    op.create_table(
        "session_positions",
        sa.Column("session_key", Name, nullable=False, comment="digest of project, user and session"),
        sa.Column("entity_type", Name, nullable=False, comment="empty: every type without a row of its own"),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_key", "entity_type", name="pk_session_positions"),
    )
    op.create_index("ix_session_positions_updated_at_us", "session_positions", ["updated_at_us"])
    op.create_table(
        "checkpoint_keys",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False, comment="signs checkpoint tokens"),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_checkpoint_keys"),
    )
    op.create_table(
        "epochs",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False, comment="random, never reused"),
        sa.Column("started_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_epochs"),
    )
