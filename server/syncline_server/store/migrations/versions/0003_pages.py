"""Each version also lies in the store in the form in which it goes out to readers; pages are found by their user.

Revision ID: 0003
Revises: 0002
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from syncline.v1 import sync_pb2

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ROWS_AT_ONCE = 5_000
_ACTION_BYTES = 2
_CHANGES_TAG, _DATA_TAG = b"\x0a", b"\x22"


def upgrade() -> None:
    opening = sa.Column("opening", sa.LargeBinary(), comment="what readers get before the data")
    op.add_column("entities", opening)
    connection = op.get_bind()
    page = sa.text("SELECT * FROM entities WHERE entity_key > :after ORDER BY entity_key LIMIT :rows")
    update = sa.text("UPDATE entities SET opening = :opening WHERE entity_key = :key")
    after = ""
    while rows := connection.execute(page, {"after": after, "rows": _ROWS_AT_ONCE}).all():
        connection.execute(update, [{"key": row.entity_key, "opening": _opening(row)} for row in rows])
        after = rows[-1].entity_key
    # Without a default, what a server of the version before would still write is refused: it would lack its opening.
    with op.batch_alter_table("entities") as entities:
        entities.alter_column("opening", existing_type=opening.type, nullable=False)
    if connection.dialect.name == "postgresql":  # see tables.py
        op.execute("ALTER TABLE entities ALTER COLUMN user_id SET (n_distinct = -1)")
        op.execute("ANALYZE entities")


def _opening(row: sa.Row[Any]) -> bytes:
    """Return a version up to its data, as this schema keeps it, whatever later ones do."""
    change = sync_pb2.Change(
        entity_type=row.entity_type,
        entity_id=row.entity_id,
        revision=row.revision,
        created_revision=row.created_revision,
        user_id=row.user_id,
    )
    change.client_timestamp.FromMicroseconds(row.client_timestamp_us)
    fields = change.SerializeToString() + _DATA_TAG + _varint(row.size_bytes)
    return _CHANGES_TAG + _varint(len(fields) + row.size_bytes + _ACTION_BYTES) + fields


def _varint(number: int) -> bytes:
    written = bytearray()
    while rest := number >> 7:
        written.append(number & 0x7F | 0x80)
        number = rest
    written.append(number)
    return bytes(written)
