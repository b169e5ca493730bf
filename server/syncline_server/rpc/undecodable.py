"""Which field of a request keeps it from being a message of the contract: found only once it is known that one does."""

from collections.abc import Iterator
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from syncline_server.rpc.wire import LENGTH, ending, varint
from syncline_server.sync.errors import ChangeInvalid, InvalidError, RequestInvalid

_NO_MESSAGE: Final = "must be a message of the contract, with strings in UTF-8"
_NO_UTF8: Final = "must be UTF-8"
_CHANGES: Final = "changes"
_MOST_FIELDS: Final = 10_000
"""No well-formed request has more at one level; of any other not each is looked at."""


def problem_of(raw: bytes, kind: Descriptor) -> InvalidError:
    """Return the error for bytes that are no message of `kind`: it names the change and the field, if one can be."""
    try:
        for field, index, value in _fields(raw, kind):
            if field.message_type is not None and not _is_message(value, field.message_type):
                inner = _broken_string(value, field.message_type)
                if field.name == _CHANGES:
                    return ChangeInvalid(index, inner, _NO_UTF8) if inner else _no_change(index)
                return RequestInvalid(f"{field.name}.{inner}" if inner else field.name, _NO_MESSAGE)
            if field.type == FieldDescriptor.TYPE_STRING and not _is_utf8(value):
                return RequestInvalid(field.name, _NO_UTF8)
    except (IndexError, ValueError):  # cut off, or no fields at all
        pass
    return RequestInvalid("request", _NO_MESSAGE)


def _no_change(index: int) -> ChangeInvalid:
    return ChangeInvalid(index, "", _NO_MESSAGE)


def _broken_string(raw: bytes, kind: Descriptor) -> str:
    """Return the name of the string that is not UTF-8; empty: something else is wrong."""
    try:
        for field, _, value in _fields(raw, kind):
            if field.type == FieldDescriptor.TYPE_STRING and not _is_utf8(value):
                return field.name
    except (IndexError, ValueError):
        pass
    return ""


def _fields(raw: bytes, kind: Descriptor) -> Iterator[tuple[FieldDescriptor, int, bytes]]:
    """Take a message apart: known fields of a length, each with how many of it came before. Raises ValueError."""
    at, seen = 0, 0
    counts: dict[int, int] = {}
    while at < len(raw) and seen < _MOST_FIELDS:
        seen += 1
        key, begin = varint(raw, at)
        number, at = key >> 3, ending(raw, begin, key & 7)
        if at > len(raw):
            raise ValueError("cut off")
        if key & 7 == LENGTH:
            index = counts[number] = counts.get(number, -1) + 1
            field = kind.fields_by_number.get(number)
            if field is not None:
                yield field, index, raw[varint(raw, begin)[1] : at]


def _is_message(raw: bytes, kind: Descriptor) -> bool:
    try:
        GetMessageClass(kind).FromString(raw)
    except DecodeError:
        return False
    return True


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
