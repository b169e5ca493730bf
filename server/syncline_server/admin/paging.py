"""Pages of lists: how large they are, and how the place where the next one begins is spelled."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from syncline_server.sync.errors import RequestInvalid

_DEFAULT: Final = 50
MAX_PAGE_SIZE: Final = 200
Place = Sequence[str | int]

T = TypeVar("T")


def size_of(request: Any) -> int:
    """Return how many entries a request asks for. Raises RequestInvalid."""
    asked: int = request.page_size
    if not 0 <= asked <= MAX_PAGE_SIZE:
        raise RequestInvalid("page_size", f"must be 0 to {MAX_PAGE_SIZE}", limit=MAX_PAGE_SIZE)
    return asked or _DEFAULT


def place_of(request: Any, first: Place) -> tuple[Any, ...]:
    """Return where a page begins: `first`, or what its token says, which has the same types. Raises RequestInvalid."""
    token: str = request.page_token
    if not token:
        return tuple(first)
    try:
        place = json.loads(base64.urlsafe_b64decode(token.encode("ascii")))
        fits = isinstance(place, list) and [type(one) for one in place] == [type(one) for one in first]
    except (ValueError, binascii.Error, RecursionError):
        fits = False
    if not fits or any(isinstance(one, int) and not 0 <= one < 2**63 for one in place):
        raise RequestInvalid("page_token", "must be the next_page_token of a page of the same list")
    return tuple(place)


def next_token(found: Sequence[T], size: int, place: Callable[[T], Place]) -> str:
    """Return the token of the page after these entries; empty: there are fewer than were asked for."""
    return token_of(place(found[-1])) if len(found) == size else ""


def token_of(place: Place) -> str:
    """Return the token of the page that begins after a place."""
    return base64.urlsafe_b64encode(json.dumps(list(place)).encode()).decode("ascii")
