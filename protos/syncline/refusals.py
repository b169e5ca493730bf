"""What repeated refusals cost: the address they go to waits for them, and nobody else."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from syncline.proxies import holder_of

_WINDOW_SECONDS: Final = 10.0
_FREE: Final = 20
"""So many refusals of an address in a window are answered at once."""
_MOST_HELD: Final = 500
"""More refusals are not held back: each takes memory."""
_MOST_ADDRESSES: Final = 100_000


class Refusals:
    """Holds refusals back. Who is let in is never held, so many users may share an address with somebody who is not."""

    def __init__(self, delay_seconds: float, on_many: Callable[[str], object] = lambda _: None) -> None:
        """Hold a refusal back for so long; 0: never. `on_many` is told each address that begins to wait."""
        self._delay_seconds = delay_seconds
        self._on_many = on_many
        self._refused: Counter[str] = Counter()
        self._window_ends = 0.0
        self._held = 0

    async def hold(self, address: str) -> None:
        """Count a refusal, and wait before it is answered where the address has had many; empty: nobody's."""
        if not self._delay_seconds or not address:
            return
        now = time.monotonic()
        if now >= self._window_ends or len(self._refused) >= _MOST_ADDRESSES:
            self._refused.clear()
            self._window_ends = now + _WINDOW_SECONDS
        holder = holder_of(address)
        self._refused[holder] += 1
        if self._refused[holder] == _FREE + 1:
            self._on_many(holder)
        if self._refused[holder] <= _FREE or self._held >= _MOST_HELD:
            return
        self._held += 1
        try:
            await asyncio.sleep(self._delay_seconds)
        finally:
            self._held -= 1
