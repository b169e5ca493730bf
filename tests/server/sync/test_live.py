"""What a process shares among those who follow a log."""

import asyncio
from collections.abc import Awaitable, Callable

from rules import Rules
from syncline_server.sync.live import LiveLog, monotonic
from syncline_server.sync.store import PageQuery, StoredPage
from values import edit

NEVER_SECONDS = 3600.0
SOON_SECONDS = 10.0


class Overtaken:
    """A store in which something happens after a page was read and before its reader has it."""

    def __init__(self, rules: Rules, meanwhile: list[Callable[[], Awaitable[None]]]) -> None:
        self._rules = rules
        self._meanwhile = meanwhile

    async def page(self, query: PageQuery) -> StoredPage:
        stored = await self._rules.store.page(query)
        if self._meanwhile:
            await self._meanwhile.pop(0)()
        return stored


async def test_what_is_committed_while_a_log_is_read_is_read_next_and_not_at_the_next_poll(rules: Rules):
    async def commit(entity_id: str) -> None:
        await rules.push(edit("create", entity_id))
        log.nudge()

    store = Overtaken(rules, [lambda: commit("e1"), lambda: commit("e2"), lambda: commit("e3")])
    # The store is all that it asks for.
    log = LiveLog(store, rules.project, NEVER_SECONDS, monotonic, tick_seconds=1)  # type: ignore[arg-type]
    try:
        wakeup = log.attach(None)
        async with asyncio.timeout(SOON_SECONDS):
            while [one.entity_id for one in log.since(None, log.floor or 0) or ()] != ["e1", "e2", "e3"]:
                await wakeup.wait(monotonic() + NEVER_SECONDS)
                wakeup.clear()
    finally:
        await log.close()
