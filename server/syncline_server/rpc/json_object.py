"""Whether pushed data is a strict JSON object."""

import math
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import jiter

_MAX_DEPTH: Final = 32
_MAX_PROBLEM: Final = 200
"""Characters of the parser's message that fit into an error."""
_DIGITS_OF_A_DOUBLE: Final = 308
_EXPONENT: Final = re.compile(rb"[0-9][eE]")


def json_problem(data: bytes) -> str | None:
    """Say what keeps `data` from being a strict JSON object, nested at most 32 deep; None: nothing.

    Refused: duplicate keys, NaN and Infinity, numbers beyond a double's range, lone surrogates, invalid UTF-8.
    """
    try:
        value = jiter.from_json(data, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        return f"must be a JSON object: {_shortened(str(error))}"
    if not isinstance(value, dict):
        return "must be a JSON object"
    # Both are rare, and cheap to rule out from the text.
    if data.count(b"{") + data.count(b"[") > _MAX_DEPTH and _depth(value) > _MAX_DEPTH:
        return f"must be nested at most {_MAX_DEPTH} deep"
    may_overflow = len(data) > _DIGITS_OF_A_DOUBLE or _EXPONENT.search(data)
    if may_overflow and not all(map(_fits_a_double, _numbers(value))):
        return "must not contain numbers beyond the range of a double"
    return None


def are_small_objects(texts: Sequence[bytes]) -> bool:
    """Tell by one look whether `json_problem` has nothing against any of these; False: it may, so ask it of each.

    They are read as one array, with a word between any two that nobody can know beforehand. Where it is every other
    value of the array, whatever is between two of them is one of the texts.
    """
    if not all(map(_is_small, texts)):
        return False
    word = str(int.from_bytes(os.urandom(16), "big"))
    joined = f',"{word}",'.encode().join(texts)
    try:
        values = jiter.from_json(b"[" + joined + b"]", allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError:
        return False
    are_apart = len(values) == 2 * len(texts) - 1 and all(value == word for value in values[1::2])
    if not are_apart or not all(isinstance(value, dict) for value in values[::2]):
        return False
    return not _EXPONENT.search(joined) or all(map(_fits_a_double, _numbers(values)))


def _is_small(text: bytes) -> bool:
    return len(text) <= _DIGITS_OF_A_DOUBLE and text.count(b"{") + text.count(b"[") <= _MAX_DEPTH


def _shortened(text: str) -> str:
    """Cut the middle, which may be a key of any size, so that the text fits into an error."""
    return text if len(text) <= _MAX_PROBLEM else f"{text[: _MAX_PROBLEM // 2]}…{text[-_MAX_PROBLEM // 2 :]}"


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [item for container in level for item in _items(container) if isinstance(item, dict | list)]
    return depth


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _fits_a_double(number: float) -> bool:
    """Tell whether readers that know doubles alone get a number, however it is spelled: 1e400, or its 401 digits."""
    try:
        return math.isfinite(number)
    except OverflowError:  # of a whole number
        return False


def _numbers(value: Any) -> Iterator[float]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, float | int):
            yield value
        waiting.extend(_items(value))
