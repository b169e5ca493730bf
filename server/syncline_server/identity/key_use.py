"""On which day each key was last used: what an operator looks at before ending one."""

import asyncio
import time
from typing import Final

from syncline_server.identity.projects import Registry
from syncline_server.sync.errors import StoreUnavailable

_NOTE_SECONDS: Final = 60.0
_DAY_SECONDS: Final = 86_400


class KeyUse:
    """Remembers which keys were used, and stores it once a day for each."""

    def __init__(self, registry: Registry) -> None:
        """Store it in `registry`."""
        self._registry = registry
        self._used: set[str] = set()
        self._noted: dict[str, int] = {}

    def note(self, key_id: str) -> None:
        """Say that a key that is in force was used."""
        self._used.add(key_id)

    async def keep_noting(self) -> None:
        """Store it every minute, until it is cancelled."""
        while True:
            await asyncio.sleep(_NOTE_SECONDS)
            await self.store()

    async def store(self) -> None:
        """Store what is new today; what cannot be stored is tried again."""
        day = int(time.time()) // _DAY_SECONDS
        used, self._used = self._used, set()
        for key_id in used:
            if self._noted.get(key_id) == day:
                continue
            try:
                await self._registry.note_use(key_id, day)
            except StoreUnavailable:
                self._used.add(key_id)
            else:
                self._noted[key_id] = day
