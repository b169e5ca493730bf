"""How many elements a request may have, counted in its bytes: decoded, 4 MiB of empty ones are 300 MiB of objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from syncline_server.rpc.wire import LENGTH, ending, varint
from syncline_server.sync.errors import ChangeInvalid, RequestInvalid

_NEVER_MUCH_BYTES: Final = 64 * 1024
"""A request so small takes little room, however small its elements are."""
_NEVER_MANY_BYTES: Final = 512
"""The same for an element of which a request may have a thousand."""
_MOST_OTHER_FIELDS: Final = 100


@dataclass(frozen=True, slots=True)
class Count:
    """The most elements of a repeated field."""

    most: int
    within: Mapping[str, "Count"] = field(default_factory=dict)
    """The same for the fields of each of them."""


class CountedFields:
    """The repeated fields of a message, each with its count."""

    def __init__(self, kind: Any, counts: Mapping[str, Count]) -> None:
        """Take those of a message, a Descriptor, by name."""
        self._fields = {kind.fields_by_name[name].number: (name, count) for name, count in counts.items()}
        self._within = {
            number: CountedFields(kind.fields_by_number[number].message_type, count.within)
            for number, (_, count) in self._fields.items()
            if count.within
        }
        self._most_fields = _MOST_OTHER_FIELDS + sum(count.most for count in counts.values())

    def problem_of(self, raw: bytes) -> ChangeInvalid | RequestInvalid | None:
        """Return the error for a message that has too many elements; None: it may be decoded."""
        if len(raw) <= _NEVER_MUCH_BYTES:
            return None
        try:
            return self._problem_within(raw, 0, len(raw))
        except (IndexError, ValueError):
            return None  # no message at all, which is found out without an object

    def _problem_within(self, raw: bytes, at: int, end: int) -> ChangeInvalid | RequestInvalid | None:
        counted: dict[int, int] = {}
        for _ in range(self._most_fields):
            if at >= end:
                return None
            key, begin = varint(raw, at)
            number, at = key >> 3, ending(raw, begin, key & 7)
            if number not in self._fields:
                continue
            name, count = self._fields[number]
            index = counted.get(number, 0)
            if index == count.most:
                return RequestInvalid(name, f"must be at most {count.most}, got more", limit=count.most)
            counted[number] = index + 1
            if at - begin > _NEVER_MANY_BYTES and number in self._within and key & 7 == LENGTH:
                problem = self._within[number]._problem_within(raw, varint(raw, begin)[1], at)
                if problem is not None:
                    return _within(name, index, problem)
        return RequestInvalid("request", "has more fields than there are in the contract")


def _within(name: str, index: int, problem: ChangeInvalid | RequestInvalid) -> ChangeInvalid | RequestInvalid:
    if name == "changes":
        return ChangeInvalid(index, problem.field, problem.problem)
    return RequestInvalid(f"{name}[{index}].{problem.field}", problem.problem)
