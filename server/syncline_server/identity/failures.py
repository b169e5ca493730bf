"""What repeated failures cost: the address they come from waits for its refusals, and nobody else."""

import asyncio
import time
from collections import Counter
from typing import Final

_WINDOW_SECONDS: Final = 10.0
_FREE: Final = 20
"""So many failures of an address in a window are answered at once."""
_MOST_HELD: Final = 500
"""More refusals are not held back: each takes memory."""
_MOST_ADDRESSES: Final = 100_000


class Failures:
    """Holds refusals back. Who is let in is never held, so many users may share an address with somebody who is not."""

    def __init__(self, delay_seconds: float) -> None:
        """Hold a refusal back for so long; 0: never."""
        self._delay_seconds = delay_seconds
        self._failed: Counter[str] = Counter()
        self._window_ends = 0.0
        self._held = 0

    async def hold(self, address: str) -> None:
        """Count a refusal, and wait before it is answered where the address has had many."""
        if not self._delay_seconds:
            return
        now = time.monotonic()
        if now >= self._window_ends or len(self._failed) >= _MOST_ADDRESSES:
            self._failed.clear()
            self._window_ends = now + _WINDOW_SECONDS
        self._failed[address] += 1
        if self._failed[address] <= _FREE or self._held >= _MOST_HELD:
            return
        self._held += 1
        try:
            await asyncio.sleep(self._delay_seconds)
        finally:
            self._held -= 1
