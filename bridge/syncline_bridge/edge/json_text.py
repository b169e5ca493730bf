"""How JSON text from outside is read: strictly once, then into structs that keep parts of it to the byte."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import jiter
import msgspec
from msgspec import Raw

from syncline_bridge.edge import json_place
from syncline_bridge.edge.json_place import Place
from syncline_bridge.failure import RefusedError, invalid, not_json

T = TypeVar("T")

_MAX_QUOTED = 200
_PROBLEM = re.compile(r"(?P<problem>.*?)(?: - at `\$\.?(?P<place>.*)`)?", re.DOTALL)
_MEMBER = re.compile(r"missing required field `(?P<name>[^`]*)`")
_POSITION = re.compile(r"(?P<problem>.*) at line (?P<line>[0-9]+) column (?P<column>[0-9]+)", re.DOTALL)
_REPEATED = re.compile(r'Detected duplicate key "(?P<name>.*)"', re.DOTALL)
_HALF = "half of a surrogate pair, as of an emoji that was cut in two"
_PLAINER: Mapping[str, str] = MappingProxyType(
    {
        "unexpected end of hex escape": _HALF,
        "lone leading surrogate in hex escape": _HALF,
        "invalid unicode code point": "no UTF-8",
    }
)
_OF_THE_WHOLE = ("EOF ", "trailing characters")


def decode(body: bytes, into: type[T]) -> T:
    """Read a body; raises RefusedError (400) that names what is wrong and where.

    Refuses NaN, duplicate keys at any depth, lone surrogates, bad UTF-8, more than 200 levels, integers of more than
    4,300 digits. Members typed msgspec.Raw keep the bytes they came as.
    """
    check(body)
    try:
        return msgspec.json.decode(body, type=into)
    except msgspec.DecodeError as error:
        raise _wrong_type(str(error)) from None


def check(text: bytes) -> None:
    """Refuse what is not strict JSON, naming the place.

    msgspec.Raw skips over values without looking at their UTF-8, their surrogates or their keys, so this has to be
    a pass of its own. Floats are left as text: they would overflow to infinity, and nobody here computes with them.
    """
    try:
        jiter.from_json(
            text, allow_inf_nan=False, catch_duplicate_keys=True, float_mode="lossless-float", cache_mode="keys"
        )
    except ValueError as error:
        raise _not_strict(text, str(error)) from None


def scalar(text: Raw) -> str | int | Raw | None:
    """Read a string, a whole number (however it is written) or null of strict JSON; anything else stays text."""
    try:
        value: str | int | float | None = msgspec.json.decode(text, type=str | int | float | None)
    except msgspec.DecodeError:
        return text
    if isinstance(value, float):
        return int(value) if value.is_integer() else text
    return value


def _not_strict(text: bytes, problem: str) -> RefusedError:
    match = _POSITION.fullmatch(problem)
    if match is None:
        return RefusedError(not_json(problem[:_MAX_QUOTED]))
    line, column = int(match["line"]), int(match["column"])
    said = _PLAINER.get(match["problem"], match["problem"][:_MAX_QUOTED])
    repeated = _REPEATED.fullmatch(match["problem"])
    name = repeated["name"] if repeated else None
    place = Place() if problem.startswith(_OF_THE_WHOLE) else json_place.at(text, line, column, name)
    told = f"{place}: {said}" if place else said
    return RefusedError(not_json(f"{told} (line {line}, column {column})", **place.details()))


def _wrong_type(problem: str) -> RefusedError:
    match = _PROBLEM.fullmatch(problem)
    if match is None:
        return RefusedError(invalid("The body is malformed."))
    place = json_place.of_text(match["place"] or "")
    text = match["problem"].removeprefix("Object ")[:_MAX_QUOTED]
    details: dict[str, Any] = place.details()
    if missing := _MEMBER.search(text):
        details["field"] = missing["name"]
    return RefusedError(invalid(f"{place or 'body'}: {text[:1].lower()}{text[1:]}.", **details))
