"""Who is let in on the head of a request: the server is asked once for a while, and its refusals are remembered."""

from collections import Counter
from collections.abc import Awaitable, Callable
from hashlib import sha256

from cachetools import TTLCache
from starlette.types import Scope

from syncline.proxies import holder_of
from syncline_bridge.caller import Caller
from syncline_bridge.edge.clients import Clients
from syncline_bridge.failure import OVERLOADED, Failure, RefusedError

_KNOWN_SECONDS = 60
"""The server checks each request all the same: this is about whose bodies are read."""
_REFUSED_SECONDS = 5
_REMEMBERED = 20_000
_ASKED_AT_ONCE = 256
_ASKED_AT_ONCE_FOR_ONE = 64
"""So many for one address: whoever holds the server up with keys that nobody has keeps others from nothing."""
_REFUSALS = frozenset({401, 403})


class Callers:
    """Knows who was let in, and who was not."""

    def __init__(self, check: Callable[[Caller], Awaitable[None]], clients: Clients) -> None:
        """Ask `check`, which raises RefusedError."""
        self._check = check
        self._clients = clients
        self._known: TTLCache[bytes, None] = TTLCache(_REMEMBERED, _KNOWN_SECONDS)
        self._refused: TTLCache[bytes, Failure] = TTLCache(_REMEMBERED, _REFUSED_SECONDS)
        self._asked: Counter[str] = Counter()

    @staticmethod
    def name_of(caller: Caller) -> bytes:
        """Return a name for the credentials of a caller."""
        return sha256("\0".join((caller.api_key, caller.authorization, caller.device_id)).encode()).digest()

    def knows(self, name: bytes) -> bool:
        """Tell whether a caller of this name was let in."""
        return name in self._known

    async def admit(self, caller: Caller, scope: Scope) -> bytes:
        """Return a name for the credentials of a caller who may be listened to. Raises RefusedError.

        A server that cannot be asked refuses nobody here: it will be asked again, and answer for itself.
        """
        name = self.name_of(caller)
        if self.knows(name):
            return name
        if (failure := self._refused.get(name)) is not None:
            raise RefusedError(failure)
        holder = holder_of(self._clients.address_of(scope))
        if self._asked.total() >= _ASKED_AT_ONCE or (holder and self._asked[holder] >= _ASKED_AT_ONCE_FOR_ONE):
            raise RefusedError(OVERLOADED)
        self._asked[holder] += 1
        try:
            await self._check(caller)
        except RefusedError as refused:
            if refused.failure.http_status in _REFUSALS:
                self._refused[name] = refused.failure
                raise
        else:
            self._known[name] = None
        finally:
            self._asked[holder] -= 1
            if not self._asked[holder]:
                del self._asked[holder]
        return name
