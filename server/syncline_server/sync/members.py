"""Merges JSON objects without touching the text of their values."""

import json
from collections.abc import Collection
from json.decoder import scanstring  # type: ignore[attr-defined]  # in json.decoder since 2.6, not in its stubs
from typing import Final

_SPACE: Final = " \t\n\r"
_scan_value = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # as above


def merge(stored: str, pushed: str) -> str:
    """Return the stored object with the members of the pushed one put over it (P5: shallow; null is a value).

    Both are the text of valid JSON objects without duplicate keys. Values keep their text to the byte, so numbers
    beyond 2^53, `1.10` and `1e2` survive; members keep their place, new ones come last.
    """
    return _join({**split(stored), **split(pushed)})


def retain(stored: str, names: Collection[str], pushed: str) -> str:
    """Return the pushed object over these members of the stored one; texts as in `merge`."""
    kept = {name: value for name, value in split(stored).items() if name in names}
    return _join({**kept, **split(pushed)})


def differ(stored: str, names: Collection[str], pushed: str) -> bool:
    """Tell whether one of these members is in both objects, with another value; texts as in `merge`."""
    before, after = split(stored), split(pushed)
    return any(_value(before[name]) != _value(after[name]) for name in names if name in before and name in after)


def split(text: str) -> dict[str, str]:
    """Split the text of a valid JSON object into its members: decoded key → text of the value."""
    members: dict[str, str] = {}
    at = _skip_space(text, text.index("{") + 1)
    while text[at] != "}":
        key, at = scanstring(text, at + 1, True)
        start = _skip_space(text, _skip_space(text, at) + 1)
        _, end = _scan_value(text, start)
        members[key] = text[start:end]
        at = _skip_space(text, end)
        if text[at] == ",":
            at = _skip_space(text, at + 1)
    return members


def _join(members: dict[str, str]) -> str:
    return "{" + ",".join([f"{json.dumps(name, ensure_ascii=False)}:{value}" for name, value in members.items()]) + "}"


def _value(text: str) -> str:
    """Return what a value is compared by: a string however it is escaped, anything else as it is written."""
    value: str = scanstring(text, 1, True)[0] if text.startswith('"') else text
    return value


def _skip_space(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at
