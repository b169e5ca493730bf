"""What a document of RxDB is to the log, and back; and when two are the same to a client."""

import json
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from syncline.v1 import sync_pb2

DELETED: Final = "_deleted"
ATTACHMENTS: Final = "_attachments"
_OWN: Final = ("_meta", "_rev", ATTACHMENTS)
"""Members that are about one copy of a document: never stored, never shown, never compared."""
_FLAG: Final = {True: Raw(b"true"), False: Raw(b"false")}
_EMPTY: Final = b"{}"
_members = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


def document_of(change: sync_pb2.Change, primary_key: str) -> bytes:
    """Return the document that a version is: its data, with the id as primary key, and whether it is deleted."""
    data = change.data
    flag = _FLAG[change.action == sync_pb2.ACTION_DELETE]
    if data[:2] == b'{"' and data[-1:] == b"}" and b'"_' not in data and b"\\" not in data:
        # Nearly all: nothing to take out, so that the text can be kept, at less than half the cost.
        key = _encode(primary_key)
        member = key + b":" + _encode(change.entity_id) + b","
        if data.startswith(member, 1):
            return data[:-1] + b',"_deleted":' + bytes(flag) + b"}"
        if key not in data:
            return b"{" + member + data[1:-1] + b',"_deleted":' + bytes(flag) + b"}"
    members = _members.decode(data or _EMPTY)
    for name in _OWN:
        members.pop(name, None)
    members[primary_key] = Raw(_encode(change.entity_id))
    members[DELETED] = flag
    return _encode(members)


def data_of(members: Mapping[str, Raw]) -> bytes:
    """Return what the log keeps of a document."""
    return _encode({name: value for name, value in members.items() if name != DELETED and name not in _OWN})


def canonical(document: bytes) -> str:
    """Return a text that two documents share if they are the same to a client.

    Neither the order of members counts nor how a number is spelled: JavaScript knows doubles alone, in JSON without -0.
    """
    value = json.loads(document, parse_int=_double, parse_float=_double)
    for name in _OWN:
        value.pop(name, None)
    return json.dumps(value, sort_keys=True)


def _double(text: str) -> float:
    return float(text) + 0.0
