"""How the query of a request is read, and what a cursor is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple

from syncline import words
from syncline_bridge.dialects.mutation_sync.errors import unprocessable
from syncline_bridge.dialects.mutation_sync.resources import RESOURCES

Pairs = Sequence[tuple[str, str]]

# The page calls times and counts floats, and some platforms write them so: 100.0, 1.7E12.
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE][+-]?[0-9]{1,2})?")
_CURSOR = re.compile(
    r"(?P<since>[0-9]{1,16})\.(?P<page>[0-9]{1,9})\.(?P<seen>[0-9]{1,9})\.(?P<total>[0-9]{1,10})\.(?P<token>[A-Za-z0-9_=-]+)"
)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False, "": False}
_MAX_QUOTED = 200
_NO_USER_IS_HERE = -1
MAX_MS = 10**15
"""The year 33658; any later time is as good as this one, and nobody's head."""
_MAX_PAGE = 2**31


class Cursor(NamedTuple):
    """Where a reader that pages by cursor goes on."""

    since_ms: int
    page: int
    seen: int
    """How many mutations the pages before held."""
    total: int
    """How many there are, as far as known: to count them again for each page would read all that is left."""
    token: str

    def text(self) -> str:
        """Spell it; opaque to clients."""
        return ".".join(map(str, self))


@dataclass(frozen=True, slots=True)
class PullQuery:
    """What a GET asks for."""

    since_ms: int
    """0: everything."""
    resources: tuple[str, ...]
    """Known ones only, so there may be none."""
    limit: int
    page: int
    by_cursor: bool
    cursor: Cursor | None
    """None: the first page."""
    metadata_only: bool


def pull_query(pairs: Pairs, default_limit: int, max_limit: int) -> PullQuery:
    """Read the query of a GET; raises RefusedError (422)."""
    since = _required(pairs, "mutationsSince").to_integral_value(ROUND_FLOOR)
    cursor = _only(pairs, "cursor")
    return PullQuery(
        since_ms=int(min(max(since, Decimal(0)), Decimal(MAX_MS))),
        resources=_resources(pairs),
        limit=_count(pairs, "limit", default_limit, max_limit),
        page=_count(pairs, "page", 1, _MAX_PAGE),
        by_cursor=cursor is not None,
        cursor=_cursor(cursor) if cursor else None,
        metadata_only=_boolean(pairs, "metadataOnly"),
    )


def expected_head_ms(pairs: Pairs) -> int:
    """Read `lastMutationAt`, of a POST, as the head that the client expects; raises RefusedError (422).

    A user without changes has the head 0 and is told -1; so 0, like a fraction, is a head that nobody has.
    """
    told = _required(pairs, "lastMutationAt")
    if told == _NO_USER_IS_HERE:
        return 0
    return int(told) if 0 < told < MAX_MS and told == int(told) else MAX_MS


def _resources(pairs: Pairs) -> tuple[str, ...]:
    given = [value for key, value in pairs if key == "resources"]
    names = [name.strip() for value in given for name in value.split(",") if name.strip()]
    for name in names:
        if not words.match_entity_type(name):
            raise unprocessable(f'Invalid resource: "{name[:_MAX_QUOTED]}"', field="resources")
    if not names:
        return tuple(RESOURCES)
    return tuple(name for name in RESOURCES if name in names)


def _required(pairs: Pairs, name: str) -> Decimal:
    value = _number(pairs, name)
    if value is None:
        raise unprocessable(f'"{name}" is required', field=name)
    return value


def _count(pairs: Pairs, name: str, default: int, most: int) -> int:
    value = _number(pairs, name)
    if value is None:
        return default
    if not 1 <= value <= most or value != int(value):
        raise unprocessable(f'"{name}" must be a whole number from 1 to {most}', field=name, limit=most)
    return int(value)


def _number(pairs: Pairs, name: str) -> Decimal | None:
    text = (_only(pairs, name) or "").strip()
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise unprocessable(f'"{name}" must be a number', field=name)
    return Decimal(text)


def _boolean(pairs: Pairs, name: str) -> bool:
    value = _BOOLEANS.get((_only(pairs, name) or "").lower())
    if value is None:
        raise unprocessable(f'"{name}" must be a boolean', field=name)
    return value


def _cursor(text: str) -> Cursor:
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise unprocessable("Invalid cursor", field="cursor")
    since, page, seen, total = (int(match[name]) for name in ("since", "page", "seen", "total"))
    return Cursor(since, page, seen, total, match["token"])


def _only(pairs: Pairs, name: str) -> str | None:
    values = [value for key, value in pairs if key == name]
    if len(values) > 1:
        raise unprocessable(f'"{name}" must be given once', field=name)
    return values[0] if values else None
