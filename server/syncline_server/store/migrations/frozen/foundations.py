"""What both databases do for schema 0004."""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from functools import partial

import sqlalchemy as sa
from alembic.operations import Operations

Name = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BigKey = sa.BigInteger().with_variant(sa.Integer, "sqlite")
KEPT_POSITIONS_US = 90 * 24 * 3600 * 1_000_000
there = partial(sa.Column, nullable=False)


def owner_prefix(project_id: int, user_id: str) -> str:
    """Return what this schema puts before the keys of a user's entities."""
    digest = hashlib.blake2b(f"{project_id}\x1f{user_id}".encode(), digest_size=6).digest()
    return urlsafe_b64encode(digest).decode("ascii")


def make_tables(on: Operations) -> None:
    on.create_table(
        "heads",
        there("project_id", BigKey, autoincrement=False),
        there("head", sa.BigInteger(), comment="a floor of it; the row lock orders all commits"),
        there("epoch_id", sa.BigInteger(), comment="the one in force"),
        there("rows_schema", Name, comment="the oldest schema that a row of the project may be of"),
        there("backfilled_revision", sa.BigInteger(), comment="up to which rows are of a newer one"),
        sa.PrimaryKeyConstraint("project_id", name="pk_heads"),
        postgresql_with={"fillfactor": 20},
    )
    on.create_table(
        "notes",
        there("note_key", Name, comment="digest of the owner, then of project, owner and name"),
        there("project_id", sa.BigInteger()),
        there("owner", Name),
        there("name", Name),
        there("version", sa.BigInteger()),
        sa.Column("expires_at_us", sa.BigInteger()),
        there("value", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("note_key", "project_id", name="pk_notes"),
    )
    on.create_index("ix_notes_owner", "notes", ["owner"])
    on.create_index("ix_notes_expires_at_us", "notes", ["expires_at_us"])
    on.create_table(
        "push_ids",
        there("push_key", Name, comment="digest of project, user, device and push id"),
        there("project_id", sa.BigInteger()),
        there("user_id", Name),
        there("device", Name, comment="empty when not known"),
        there("push_id", Name),
        there("request_digest", sa.LargeBinary()),
        there("outcomes", sa.LargeBinary(), comment="outcome and revision of each change"),
        there("expires_at_us", sa.BigInteger(), comment="also their order: all are kept as long"),
        sa.PrimaryKeyConstraint("push_key", "project_id", name="pk_push_ids"),
    )
    on.create_table(
        "used_tickets",
        there("id", Name),
        there("project_id", sa.BigInteger()),
        there("expires_at_us", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", "project_id", name="pk_used_tickets"),
    )
    on.create_index("ix_used_tickets_expires_at_us", "used_tickets", ["expires_at_us"])
    by_device = ["user_id", "device", "expires_at_us"]
    on.create_index("ix_push_ids_device", "push_ids", by_device)
    on.create_index("ix_push_ids_expires_at_us", "push_ids", ["expires_at_us"])
    on.create_table(
        "servers",
        there("id", Name, comment="random, one a process"),
        there("version", Name),
        there("schema", Name, comment="that it works with"),
        there("address", Name),
        there("started_at_us", sa.BigInteger()),
        there("heard_at_us", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_servers"),
    )


def bind_devices(on: Operations) -> None:
    """Let projects say whether sessions may name any device."""
    default, comment = sa.false(), "whether a session may name no device but the one in its token"
    kind = sa.Boolean(create_constraint=False)
    on.add_column("projects", there("bound_devices", kind, server_default=default, comment=comment))


def split_projects(on: Operations) -> None:
    """Give heads and session secrets tables of their own."""
    on.create_table(
        "session_secrets",
        there("id", Name),
        there("project_id", sa.BigInteger()),
        there("secret", sa.Text(), comment="HS256 secret of session tokens; the newest signs, all verify"),
        there("created_at_us", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", "project_id", name="pk_session_secrets"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_session_secrets_project"),
    )
    on.create_index("ix_session_secrets_project_id", "session_secrets", ["project_id"])
    rows = "'0003'" if on.get_bind().dialect.name == "postgresql" else "'0004'"
    on.execute(f"INSERT INTO heads SELECT id, head, epoch_id, {rows}, 0 FROM projects")  # noqa: S608  # our own words
    known = on.get_bind().execute(sa.text("SELECT id, session_secret, created_at_us FROM projects")).all()
    if known:
        secret = sa.text("INSERT INTO session_secrets VALUES (:key, :id, :session_secret, :created_at_us)")
        on.get_bind().execute(secret, [{"key": secrets.token_hex(6), **row._asdict()} for row in known])
