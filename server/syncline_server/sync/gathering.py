"""When a group is taken: what is on its way is let in, for as long as that costs nobody anything."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

_MAX_SECONDS: Final = 0.03
_PAUSE_SECONDS: Final = 0.001
_IDLE_PAUSES: Final = 2
"""So many pauses in a row, for most of which the event loop had nothing to do, end the gathering."""
_QUIET_TURNS: Final = 8
"""So many turns of the event loop in which nothing came end it, too."""


class Gathering:
    """Waits until a group is worth taking.

    Without it, a group is what came during the commit before, and a fast disk makes many small ones. Clients that have
    pushed lately are likely to push again. Half of them are waited for while the event loop is busy, since calls wait
    for it then anyway: one half is committed while the other is on its way. Nobody waits alone.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        """`waiting` tells how much waits."""
        self._waiting = waiting
        self._recent = 0
        """How much there was lately at once: in groups that were applied, and behind them."""
        self._wanted = 0
        self._enough: asyncio.Future[None] | None = None

    def seen(self, at_once: int) -> None:
        """Take in how much there was at once, at the end of a group."""
        self._recent = max(at_once, self._recent // 2)

    def came(self) -> None:
        """Take in that there is more."""
        if self._enough is not None and self._waiting() >= self._wanted:
            _wake(self._enough)

    async def wait(self, most: int) -> None:
        """Wait until a group is worth taking; more than `most` is not."""
        if self._recent <= 1:
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _MAX_SECONDS
        self._wanted = min((self._recent + 1) // 2, most)
        await self._wait_for_enough(deadline)
        quiet = 0
        while quiet < _QUIET_TURNS and self._waiting() < most and loop.time() < deadline:
            before = self._waiting()
            await asyncio.sleep(0)
            quiet = quiet + 1 if self._waiting() == before else 0

    async def _wait_for_enough(self, deadline: float) -> None:
        """Wait until as much is there as is wanted, or the event loop has nothing to do."""
        loop = asyncio.get_running_loop()
        idle = 0
        while idle < _IDLE_PAUSES and self._waiting() < self._wanted and loop.time() < deadline:
            worked = time.thread_time()
            self._enough = loop.create_future()
            pause = loop.call_later(_PAUSE_SECONDS, _wake, self._enough)
            try:
                await self._enough
            finally:
                pause.cancel()
                self._enough = None
            idle = idle + 1 if time.thread_time() - worked < _PAUSE_SECONDS / 2 else 0


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
