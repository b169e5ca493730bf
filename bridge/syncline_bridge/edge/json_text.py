"""How JSON text from outside is read: strictly once, then into structs that keep parts of it to the byte."""

import re
from typing import TypeVar

import jiter
import msgspec
from msgspec import Raw

from syncline_bridge.failure import RefusedError, invalid, not_json

T = TypeVar("T")

_MAX_QUOTED = 200
_PLACE = re.compile(r"(?P<problem>.*?)(?: - at `\$\.?(?P<place>.*)`)?", re.DOTALL)


def decode(body: bytes, into: type[T]) -> T:
    """Read a body; raises RefusedError (400) that names what is wrong and where.

    Refuses NaN, duplicate keys at any depth, lone surrogates, bad UTF-8, more than 200 levels, integers of more than
    4,300 digits. Members typed msgspec.Raw keep the bytes they came as.
    """
    check(body)
    try:
        return msgspec.json.decode(body, type=into)
    except msgspec.DecodeError as error:
        raise RefusedError(invalid(_located(str(error)))) from None


def check(text: bytes) -> None:
    """Refuse what is not strict JSON.

    msgspec.Raw skips over values without looking at their UTF-8, their surrogates or their keys, so this has to be
    a pass of its own. Floats are left as text: they would overflow to infinity, and nobody here computes with them.
    """
    try:
        jiter.from_json(
            text, allow_inf_nan=False, catch_duplicate_keys=True, float_mode="lossless-float", cache_mode="keys"
        )
    except ValueError as error:
        raise RefusedError(not_json(str(error)[:_MAX_QUOTED])) from None


def scalar(text: Raw) -> str | int | Raw | None:
    """Read a string, a whole number (however it is written) or null of strict JSON; anything else stays text."""
    try:
        value: str | int | float | None = msgspec.json.decode(text, type=str | int | float | None)
    except msgspec.DecodeError:
        return text
    if isinstance(value, float):
        return int(value) if value.is_integer() else text
    return value


def _located(problem: str) -> str:
    match = _PLACE.fullmatch(problem)
    if match is None:
        return "The body is malformed."
    text = match["problem"].removeprefix("Object ")
    return f"{match['place'] or 'body'}: {text[:1].lower()}{text[1:_MAX_QUOTED]}."
