"""What a process shares among those who follow a log."""

import asyncio
from collections.abc import Awaitable, Callable

from rules import Rules
from syncline.v1 import sync_pb2
from syncline_server.rpc.codec import LAYOUT
from syncline_server.sync.changes import Action
from syncline_server.sync.live import LiveLog, monotonic
from syncline_server.sync.store import RecentPage
from values import edit

NEVER_SECONDS = 3600.0
SOON_SECONDS = 10.0


class Overtaken:
    """A store in which something happens after a page was read and before its reader has it."""

    def __init__(self, rules: Rules, meanwhile: list[Callable[[], Awaitable[None]]]) -> None:
        self._rules = rules
        self._meanwhile = meanwhile

    async def recent(self, *asked: int) -> RecentPage:
        stored = await self._rules.store.recent(*asked)
        if self._meanwhile:
            await self._meanwhile.pop(0)()
        return stored


def ids_of(log: LiveLog) -> list[str]:
    recent = [one.unclosed + LAYOUT.closings[Action.CREATE] for one in log.since(None, log.floor or 0) or ()]
    return [change.entity_id for change in sync_pb2.PullResponse.FromString(b"".join(recent)).changes]


async def test_what_is_committed_while_a_log_is_read_is_read_next_and_not_at_the_next_poll(rules: Rules):
    async def commit(entity_id: str) -> None:
        await rules.push(edit("create", entity_id))
        log.nudge()

    store = Overtaken(rules, [lambda: commit("e1"), lambda: commit("e2"), lambda: commit("e3")])
    # The store is all that it asks for.
    log = LiveLog(store, rules.project, monotonic)  # type: ignore[arg-type]
    try:
        wakeup = log.attach(None)
        async with asyncio.timeout(SOON_SECONDS):
            while ids_of(log) != ["e1", "e2", "e3"]:
                await wakeup.wait(monotonic() + NEVER_SECONDS)
                wakeup.clear()
    finally:
        await log.close()
