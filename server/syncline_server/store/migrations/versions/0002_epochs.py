"""Epochs: their order, what began them, and where each project's history forked when they ended.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Name = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    connection = op.get_bind()
    known = connection.execute(sa.text("SELECT id, started_at_us FROM epochs ORDER BY started_at_us")).all()
    op.drop_table("epochs")
    epochs = op.create_table(
        "epochs",
        sa.Column(
            "number", sa.Integer(), autoincrement=False, nullable=False, comment="their order; the last is in force"
        ),
        sa.Column("id", sa.BigInteger(), nullable=False, comment="random, never reused"),
        sa.Column("started_at_us", sa.BigInteger(), nullable=False),
        sa.Column("cause", Name, nullable=False),
        sa.Column("incarnation", Name, nullable=False, comment="of the database, in which the epoch began"),
        sa.PrimaryKeyConstraint("number", name="pk_epochs"),
        sa.UniqueConstraint("id", name="uq_epochs_id"),
    )
    op.create_table(
        "epoch_forks",
        sa.Column("project_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fork_revision", sa.BigInteger(), nullable=False, comment="the project's head when the epoch ended"),
        sa.PrimaryKeyConstraint("project_id", "epoch_number", name="pk_epoch_forks"),
        sqlite_with_rowid=False,
    )
    op.add_column(
        "projects",
        sa.Column("epoch_id", sa.BigInteger(), nullable=False, server_default="0", comment="the one in force"),
    )
    if known:
        rows = [
            {"number": number, "id": each.id, "started_at_us": each.started_at_us, "cause": "made", "incarnation": ""}
            for number, each in enumerate(known, start=1)
        ]
        op.bulk_insert(epochs, rows)
        connection.execute(sa.text("UPDATE projects SET epoch_id = :id"), {"id": known[-1].id})
