"""Each version also lies in the store in the form in which it goes out to readers; pages are found by their user.

Revision ID: 0003
Revises: 0002
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ROWS_AT_ONCE = 5_000
_ACTION_BYTES = 2
_TEXT, _NUMBER = 2, 0
"""Wire types of protobuf."""
_CHANGES_TAG, _DATA_TAG = b"\x0a", b"\x22"


def upgrade() -> None:
    opening = sa.Column("opening", sa.LargeBinary(), comment="what readers get before the data")
    op.add_column("entities", opening)
    connection = op.get_bind()
    page = sa.text("SELECT * FROM entities WHERE entity_key > :after ORDER BY entity_key LIMIT :rows")
    update = sa.text("UPDATE entities SET opening = :opening WHERE entity_key = :key")
    after = ""
    while rows := connection.execute(page, {"after": after, "rows": _ROWS_AT_ONCE}).all():
        connection.execute(update, [{"key": row.entity_key, "opening": opening_of(row)} for row in rows])
        after = rows[-1].entity_key
    # Without a default, what a server of the version before would still write is refused: it would lack its opening.
    with op.batch_alter_table("entities") as entities:
        entities.alter_column("opening", existing_type=opening.type, nullable=False)
    if connection.dialect.name == "postgresql":  # see tables.py
        op.execute("ALTER TABLE entities ALTER COLUMN user_id SET (n_distinct = -1)")
        op.execute("ANALYZE entities")


def opening_of(row: Any) -> bytes:
    """Return a version up to its data, as this schema keeps it, whatever later ones do."""
    seconds, rest_us = divmod(row.client_timestamp_us, 1_000_000)
    timestamp = _number(1, seconds) + _number(2, rest_us * 1000)
    fields = (
        _text(1, row.entity_type)
        + _text(2, row.entity_id)
        + _bytes(5, timestamp)
        + _number(7, row.revision)
        + _number(8, row.created_revision)
        + _text(9, row.user_id)
        + _DATA_TAG
        + _varint(row.size_bytes)
    )
    return _CHANGES_TAG + _varint(len(fields) + row.size_bytes + _ACTION_BYTES) + fields


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode()) if text else b""


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | _TEXT) + _varint(len(value)) + value


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3 | _NUMBER) + _varint(number) if number else b""


def _varint(number: int) -> bytes:
    """Return a number as protobuf writes it; a negative one as 64 bits."""
    number &= 2**64 - 1
    written = bytearray()
    while rest := number >> 7:
        written.append(number & 0x7F | 0x80)
        number = rest
    written.append(number)
    return bytes(written)
