"""What a client pushes, read and checked: each row names its document before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from syncline import words
from syncline_bridge.dialects.rxdb.documents import ATTACHMENTS, DELETED, canonical, data_of
from syncline_bridge.dialects.rxdb.models import RxdbRow
from syncline_bridge.edge import json_text
from syncline_bridge.failure import RefusedError, invalid

MOST_ROWS: Final = 10_000
_NULL: Final = b"null"
_NOTHING: Final = (b"{}", _NULL)
_FLAGS: Final = {b"true": True, b"false": False}
_members = msgspec.json.Decoder(dict[str, Raw])


@dataclass(frozen=True, slots=True)
class Row:
    """One document as its client wants it."""

    index: int
    """In the body."""
    entity_id: str
    data: bytes
    deleted: bool
    state: bytes
    """The whole document, as it was sent."""
    assumed: str | None
    """What the client takes the server's document to be, canonical; None: there is none."""
    was_deleted: bool
    """Whether that is deleted."""

    @property
    def place(self) -> str:
        """How failures name it."""
        return place_of(self.index, self.entity_id)


def place_of(index: int, entity_id: str) -> str:
    """Spell which row something is wrong with."""
    return f"[{index}] ({words.printable(entity_id)})"


def rows_of(body: bytes, primary_key: str) -> Sequence[Row]:
    """Read the body of a push; raises RefusedError (400). Of two rows of one document the later one counts."""
    pushed = json_text.decode(body, list[RxdbRow])
    if len(pushed) > MOST_ROWS:
        raise RefusedError(invalid(f"The body has more than {MOST_ROWS} rows.", limit=MOST_ROWS))
    rows = [_row(index, row, primary_key) for index, row in enumerate(pushed)]
    return list({row.entity_id: row for row in rows}.values())


def _row(index: int, row: RxdbRow, primary_key: str) -> Row:
    members = _document(index, "newDocumentState", row.newDocumentState)
    entity_id = _id(index, members, primary_key)
    if problem := words.id_problem(entity_id):
        raise _bad(index, entity_id[: words.MAX_ID_BYTES], f"newDocumentState.{primary_key}", problem)
    deleted = _check(index, entity_id, "newDocumentState", members)
    assumed, was_deleted = _assumed(index, entity_id, row.assumedMasterState, primary_key)
    return Row(index, entity_id, data_of(members), deleted, bytes(row.newDocumentState), assumed, was_deleted)


def _assumed(index: int, entity_id: str, sent: Raw | UnsetType, primary_key: str) -> tuple[str | None, bool]:
    if sent is UNSET or bytes(sent) == _NULL:
        return None, False
    members = _document(index, "assumedMasterState", sent)
    if _id(index, members, primary_key) != entity_id:
        raise _bad(index, entity_id, f"assumedMasterState.{primary_key}", "is that of another document")
    was_deleted = _check(index, entity_id, "assumedMasterState", members)
    return canonical(bytes(sent)), was_deleted


def _document(index: int, field: str, text: Raw) -> Mapping[str, Raw]:
    if not bytes(text).startswith(b"{"):
        raise RefusedError(invalid(f"[{index}].{field}: has to be an object.", index=index, field=field))
    return _members.decode(text)


def _id(index: int, members: Mapping[str, Raw], primary_key: str) -> str:
    entity_id = json_text.scalar(members.get(primary_key, Raw(_NULL)))
    if not isinstance(entity_id, str):
        problem = f"[{index}]: {primary_key}, the primary key, has to be there and a string"
        hint = "another member is named in the path: /rxdb/by-{primaryKey}/{collection}/{schemaVersion}"
        raise RefusedError(invalid(f"{problem}; {hint}.", index=index, field=primary_key))
    return entity_id


def _check(index: int, entity_id: str, field: str, members: Mapping[str, Raw]) -> bool:
    """Return whether a document is deleted."""
    if bytes(members.get(ATTACHMENTS, Raw(_NULL))) not in _NOTHING:
        raise _bad(index, entity_id, f"{field}.{ATTACHMENTS}", "has to be empty: attachments are not synced")
    deleted = _FLAGS.get(bytes(members.get(DELETED, Raw(_NULL))))
    if deleted is None:
        raise _bad(index, entity_id, f"{field}.{DELETED}", "has to be true or false; deletedField may name no other")
    return deleted


def _bad(index: int, entity_id: str, field: str, problem: str) -> RefusedError:
    return RefusedError(invalid(f"{place_of(index, entity_id)} {field}: {problem}.", index=index, field=field))
