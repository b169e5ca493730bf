"""How long a group is waited for: until half of those who pushed lately are there, or nothing comes any more."""

import asyncio
import time

import pytest

from syncline_server.sync import gathering
from syncline_server.sync.gathering import Gathering
from waiting import turn


class Line:
    """What waits, and a gathering that has seen ten at once."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self.gathering = Gathering(lambda: self.waiting)
        self.gathering.seen(10)

    def enter(self) -> None:
        self.waiting += 1
        self.gathering.came()


@pytest.fixture
def endless_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what comes ends the waiting."""
    monkeypatch.setattr(gathering, "_PAUSE_SECONDS", 60)


@pytest.mark.usefixtures("endless_pause")
async def test_half_of_those_who_pushed_lately_are_enough():
    await asyncio.wait_for(Line(waiting=5).gathering.wait(most=512), 10)


@pytest.mark.usefixtures("endless_pause")
async def test_who_makes_it_enough_ends_the_waiting():
    line = Line(waiting=3)
    gathered = asyncio.create_task(line.gathering.wait(most=512))
    for waiting in (4, 5):
        await turn()
        assert not gathered.done()
        line.enter()
        assert line.waiting == waiting
    await asyncio.wait_for(gathered, 10)


@pytest.mark.usefixtures("endless_pause")
async def test_no_more_than_a_group_holds_is_waited_for():
    await asyncio.wait_for(Line(waiting=2).gathering.wait(most=2), 10)


async def test_nobody_is_waited_for_while_the_event_loop_has_nothing_to_do():
    started_at = time.monotonic()
    await Line(waiting=1).gathering.wait(most=512)
    assert time.monotonic() - started_at < gathering._MAX_SECONDS


async def test_a_busy_event_loop_is_waited_for_no_longer_than_the_limit():
    busy = True

    async def work() -> None:
        while busy:
            sum(range(50_000))  # holds the loop, as calls do
            await turn()

    working = asyncio.create_task(work())
    started_at = time.monotonic()
    await asyncio.wait_for(Line(waiting=1).gathering.wait(most=512), 10)
    busy = False
    await working
    assert time.monotonic() - started_at < 5


async def test_who_is_alone_never_waits():
    alone = Gathering(lambda: 1)
    alone.seen(1)
    waiting = alone.wait(most=512)
    with pytest.raises(StopIteration):
        waiting.send(None)
