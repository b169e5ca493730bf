"""How the parameters of a query are read."""

from collections.abc import Iterable
from typing import Final

from syncline import words
from syncline_bridge.dialects.rxdb.collection import whole_number
from syncline_bridge.dialects.rxdb.models import RxdbCheckpoint
from syncline_bridge.dialects.rxdb.pages import DEFAULT_LIMIT, MOST_DOCUMENTS
from syncline_bridge.failure import RefusedError, invalid

_START: Final = "0"


def limit_of(query: Iterable[tuple[str, str]]) -> int:
    """Read how many documents a client wants; raises RefusedError."""
    text = single(query, "limit")
    return whole_number("limit", text, 1, MOST_DOCUMENTS) if text else DEFAULT_LIMIT


def checkpoint_of(query: Iterable[tuple[str, str]]) -> RxdbCheckpoint:
    """Read where a client wants to go on from; raises RefusedError."""
    revision = whole_number("lwt", single(query, "lwt") or _START, 0, words.MAX_REVISION)
    return RxdbCheckpoint(single(query, "id"), revision)


def single(query: Iterable[tuple[str, str]], name: str) -> str:
    """Return a parameter that may come at most once; empty when absent."""
    values = [value for key, value in query if key == name]
    if len(values) > 1:
        raise RefusedError(invalid(f"{name}: was given more than once.", field=name))
    return values[0] if values else ""
