"""Project keys by their ids, looked up in the registry once in a while and once for a crowd."""

import asyncio
import hmac
from collections.abc import Callable
from typing import Final

from cachetools import LRUCache, TTLCache

from syncline_server.identity.projects import ProjectKey, Registry, hash_key, key_id_of
from syncline_server.sync.errors import KeyInvalid, Overloaded

CACHE_SECONDS: Final = 15
"""How long a key is known, and what was made of it: a key that is withdrawn works at most twice as long."""
REFUSAL_SECONDS: Final = 5
"""How long a refusal is remembered."""
_CACHED_KEYS: Final = 1000
_CACHED_IDS: Final = 10_000
_LOOKUPS_OF_STRANGERS: Final = 2
"""Keys that have never been found are looked up so many at a time: those of everybody else have to get through."""
_WAITING_STRANGERS: Final = 100
_NO_HASH: Final = bytes(32)


class KeyCache:
    """Finds project keys, for calls that come with one and for tickets that name one."""

    def __init__(self, registry: Registry, on_use: Callable[[str], object] = lambda _: None) -> None:
        """Look keys up in `registry`; `on_use` is told the id of each that was used, now and then."""
        self._registry = registry
        self._on_use = on_use
        self._keys: TTLCache[str, ProjectKey] = TTLCache(_CACHED_KEYS, CACHE_SECONDS)
        self._unknown: TTLCache[str, None] = TTLCache(_CACHED_IDS, REFUSAL_SECONDS)
        self._found_before: LRUCache[str, None] = LRUCache(_CACHED_IDS)
        self._looked_up: dict[str, asyncio.Task[ProjectKey | None]] = {}
        self._strangers = asyncio.Semaphore(_LOOKUPS_OF_STRANGERS)
        self._waiting = 0

    async def of_text(self, text: str) -> ProjectKey:
        """Return the key that this is the text of. Raises KeyInvalid, Overloaded and StoreUnavailable."""
        key_id = key_id_of(text)
        if key_id is None:
            raise _no_key(text)
        key = await self.of_id(key_id)
        # As long for an unknown key as for a wrong one.
        if not hmac.compare_digest(hash_key(text), key.secret_hash if key else _NO_HASH) or key is None:
            raise KeyInvalid(cause="unknown")
        self._on_use(key.id)
        return key

    async def of_id(self, key_id: str) -> ProjectKey | None:
        """Return the key of a public id. A crowd of sessions that comes with one at once looks it up once.

        Raises Overloaded while too many look for keys that have never been found, and StoreUnavailable.
        """
        key = self._keys.get(key_id)
        if key is not None or key_id in self._unknown:
            return key
        lookup = self._looked_up.get(key_id)
        if lookup is None:
            if key_id not in self._found_before and self._waiting >= _WAITING_STRANGERS:
                raise Overloaded("Too many API keys are looked for; try again.")
            lookup = self._looked_up[key_id] = asyncio.create_task(self._look_up(key_id))
            lookup.add_done_callback(lambda done: self._keep(key_id, done))
        return await asyncio.shield(lookup)

    async def _look_up(self, key_id: str) -> ProjectKey | None:
        if key_id in self._found_before:
            return await self._registry.find_key(key_id)
        self._waiting += 1
        try:
            async with self._strangers:
                return await self._registry.find_key(key_id)
        finally:
            self._waiting -= 1

    def _keep(self, key_id: str, lookup: "asyncio.Task[ProjectKey | None]") -> None:
        del self._looked_up[key_id]
        # An error is retrieved, or asyncio would log it where all who asked have gone.
        if lookup.cancelled() or lookup.exception() is not None:
            return
        if (key := lookup.result()) is None:
            self._unknown[key_id] = None
        else:
            self._keys[key_id] = key
            self._found_before[key_id] = None


def _no_key(text: str) -> KeyInvalid:
    """Return the error for what has not the form of a key; that costs no look-up."""
    if not text:
        return KeyInvalid("x-api-key: the API key is missing", cause="missing")
    return KeyInvalid(
        "x-api-key: the API key is malformed, keys begin with sl_client_ or sl_server_", cause="malformed"
    )
