"""Which headers of a request say who is calling, and who that is: read once, and remembered by their bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from starlette.requests import Request
from starlette.types import Scope

from syncline_bridge.caller import Caller
from syncline_bridge.edge.callers import Callers
from syncline_bridge.failure import RefusedError

_REMEMBERED_BYTES = 8 * 1024 * 1024

Values = tuple[bytes | None, ...]
"""What came in each of the headers, in their order; None: it did not come."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How the callers of one dialect say who they are."""

    headers: tuple[str, ...]
    """Nothing else of a request is shown to `read`: so whoever sends the same in these is the same caller."""
    read: Callable[[Request], Caller]
    """Raises RefusedError."""

    @property
    def names(self) -> list[bytes]:
        """The headers as a scope spells them."""
        return [name.lower().encode() for name in self.headers]

    def caller_of(self, scope: Scope) -> Caller:
        """Return who is calling; raises RefusedError."""
        names = self.names
        kept = [header for header in scope["headers"] if header[0] in names]
        return self.read(Request({**scope, "headers": kept, "query_string": b""}))

    def caller_with(self, values: Values) -> Caller:
        """Return who sends these values, once each and without a request id; raises RefusedError."""
        headers = [(name, value) for name, value in zip(self.names, values, strict=True) if value is not None]
        return self.caller_of({"type": "http", "headers": headers, "state": {"request_id": ""}})


class KnownCaller(NamedTuple):
    """A caller whom the server knows."""

    caller: Caller
    """Without a request id."""
    name: bytes
    """What `Callers` knows him by."""


class KnownCallers:
    """Finds callers by the bytes of their credentials, without reading these again."""

    def __init__(self, credentials: Credentials, callers: Callers) -> None:
        """Know whom `callers` knows, and for as long."""
        self.names = credentials.names
        self._credentials = credentials
        self._callers = callers
        self._known: dict[Values, KnownCaller] = {}
        self._known_bytes = 0

    def find(self, values: Values) -> KnownCaller | None:
        """Return who sends these values; None: the server has to be asked, or something is wrong with them."""
        found = self._known.get(values)
        if found is None:
            found = self._read(values)
        return found if found is not None and self._callers.knows(found.name) else None

    def _read(self, values: Values) -> KnownCaller | None:
        try:
            caller = self._credentials.caller_with(values)
        except RefusedError:
            return None
        found = KnownCaller(caller, self._callers.name_of(caller))
        if self._callers.knows(found.name):
            self._remember(values, found)
        return found

    def _remember(self, values: Values, found: KnownCaller) -> None:
        self._known_bytes += _size_of(values)
        if self._known_bytes > _REMEMBERED_BYTES:
            self._known.clear()
            self._known_bytes = _size_of(values)
        self._known[values] = found


def _size_of(values: Sequence[bytes | None]) -> int:
    """Return about how much of memory one caller takes."""
    return 1024 + 2 * sum(len(value) for value in values if value is not None)
