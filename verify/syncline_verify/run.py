"""One run: a load on a target, for the given time, then everything that is left to read."""

import asyncio
import gc
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from syncline_verify.history import Reader, Reread, RunHistory
from syncline_verify.load import LONGEST_WAIT_SECONDS, Load

_FREEZE_SECONDS: Final = 1.0
_MARKS_REREAD: Final = (0.5, 0.9, 0.99)
"""Which tokens of a reader are used again: those after such shares of what it read."""


@dataclass
class Result:
    """What a run came to."""

    histories: Sequence[RunHistory]
    figures: Counter[str]
    seconds: float
    """How long the writers took."""
    notes: Sequence[str]


@dataclass
class Cast:
    """Who takes part in a load: what each writes and reads, and who ends it."""

    load: Load
    writers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    enders: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    readers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


def users_of(run: str, *names: str) -> dict[str, str]:
    """Return users of a run's own, by canary: `canary-<hexadecimal digits>` → user."""
    return {f"canary-{secrets.token_hex(8)}": f"verify-{run}-{name}" for name in names}


async def perform(casts: Sequence[Cast]) -> float:
    """Let all casts write for their time, and read until they have it all or have waited for it long enough.

    Returns how many seconds the writers took. Readers that do not come to the end lose what they have not got: that is
    for the checks to say.
    """
    for cast in casts:
        cast.load.started = time.monotonic()
    started = time.monotonic()
    reading = [asyncio.ensure_future(reader()) for cast in casts for reader in cast.readers]
    freezing = asyncio.ensure_future(_freeze())
    try:
        async with asyncio.TaskGroup() as writers:
            for writer in [writer for cast in casts for writer in cast.writers]:
                writers.create_task(_run(writer))
        seconds = time.monotonic() - started
        for ender in [ender for cast in casts for ender in cast.enders]:
            await ender()
        done, waiting = await asyncio.wait(reading, timeout=LONGEST_WAIT_SECONDS)
        for task in done:
            task.result()
        casts[0].load.figures["readers that never got to the end"] += len(waiting)
    finally:
        for task in (*reading, freezing):
            task.cancel()
        await asyncio.gather(*reading, freezing, return_exceptions=True)
    return seconds


async def read_again(history: RunHistory, again: Callable[[Reader, str], Awaitable[Reader]]) -> None:
    """Use some tokens of every reader once more; `again` reads what is there after a token."""
    for reader in [reader for reader in history.readers if reader.at_end]:
        for share in _MARKS_REREAD if reader.marks else ():
            mark = reader.marks[int((len(reader.marks) - 1) * share)]
            rest = await again(reader, mark.token)
            history.rereads.append(Reread(reader, mark, rest.entries))


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def _freeze() -> None:
    """Spare the garbage collector what a history holds, which only grows: it would take most of a core."""
    while True:
        await asyncio.sleep(_FREEZE_SECONDS)
        gc.freeze()
