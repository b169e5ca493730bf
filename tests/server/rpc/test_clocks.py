"""P4 over the wire where clocks are wrong: the server's, a device's, and both."""

from collections.abc import AsyncIterator

import pytest

from harness import Client, Server, change, now_ms, outcomes, settings_for, started_server
from rules import Clock
from syncline.v1 import sync_pb2

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


async def test_each_answer_tells_the_servers_time(server: Server):
    async with server.client() as client:
        began_ms = now_ms()
        request, options = sync_pb2.PullRequest(), {"metadata": client.metadata}
        told = [await client.stub.Pull(request, **options).trailing_metadata()]
        told.append(await client.stub.Push(sync_pb2.PushRequest(), **options).trailing_metadata())
        for call in (
            client.stub.StreamPull(sync_pb2.StreamPullRequest(), **options),
            client.stub.PushStream(**options),
        ):
            told.append(await call.initial_metadata())
            call.cancel()
        times_ms = [int(dict(metadata)["server_time"]) for metadata in told]
        assert times_ms == sorted(times_ms)
        assert began_ms <= times_ms[0]
        assert times_ms[-1] <= now_ms()


@pytest.fixture
def clock() -> Clock:
    """The store's clock; its server begins while it is right."""
    return Clock()


@pytest.fixture
async def clocked(database_url: str, clock: Clock) -> AsyncIterator[Server]:
    async with started_server(settings_for(database_url), clock_us=clock) as running:
        yield running


async def push_at(client: Client, at_ms: int | None, n: int = 0) -> str:
    """Push an edit that was made at a time; returns what became of it."""
    return outcomes(await client.push(change("update", data={"n": n}, at_ms=at_ms)))


@pytest.mark.parametrize("ahead_ms", [20 * MINUTE_MS, 30 * DAY_MS])
@pytest.mark.parametrize("tells_time", [True, False])
async def test_what_a_server_wrote_while_it_was_ahead_wins_against_no_later_edit(
    clocked: Server, clock: Clock, ahead_ms: int, tells_time: bool
):
    """X30."""
    async with clocked.client(device="phone") as phone, clocked.client(device="laptop") as laptop:
        right_ms = clock.us // 1000
        clock.us += ahead_ms * 1000
        assert await push_at(phone, right_ms if tells_time else None) == "a"
        for later_ms in (1, MINUTE_MS):
            clock.us = (right_ms + later_ms) * 1000
            assert await push_at(laptop, right_ms + later_ms) == "a"
            clock.us += 1000
            assert await push_at(phone, right_ms + later_ms + 1) == "a"


@pytest.mark.parametrize("ahead_ms", [HOUR_MS, 30 * DAY_MS])
async def test_an_edit_of_a_fast_device_counts_as_made_when_it_was_pushed(clocked: Server, clock: Clock, ahead_ms: int):
    """X30, with a device's clock."""
    async with clocked.client(device="phone") as phone, clocked.client(device="laptop") as laptop:
        now_ms = clock.us // 1000
        made = await phone.push(change(at_ms=now_ms + ahead_ms))
        assert made.results[0].change.client_timestamp.ToMilliseconds() == now_ms
        clock.us += 1000
        assert await push_at(laptop, now_ms + 1) == "a"


async def test_of_two_edits_of_a_fast_phone_the_second_stays_though_the_first_arrives_last(
    clocked: Server, clock: Clock
):
    """X31."""
    async with clocked.client(device="phone") as phone:
        first_ms = clock.us // 1000 + HOUR_MS
        assert await push_at(phone, first_ms + 1, n=2) == "a"
        clock.us += 5_000
        assert await push_at(phone, first_ms, n=1) == "c"
        assert (await phone.pull()).changes[0].data == b'{"n": 2}'


async def test_a_device_does_not_lose_to_an_edit_of_its_own_that_tells_no_time(clocked: Server, clock: Clock):
    """X32."""
    async with clocked.client(device="phone") as phone:
        assert await push_at(phone, None) == "a"
        clock.us += 1000
        assert await push_at(phone, clock.us // 1000 - HOUR_MS) == "a"


async def test_a_session_token_is_one_clock_as_a_device_is(clocked: Server, clock: Clock):
    async with clocked.client() as tab:
        now_ms = clock.us // 1000
        assert await push_at(tab, now_ms - HOUR_MS) == "a"
        clock.us += 1000
        assert await push_at(tab, now_ms - HOUR_MS + 1) == "a"
        assert await push_at(tab, now_ms - HOUR_MS) == "c"


async def test_known_an_edit_of_the_span_that_a_server_was_ahead_loses_once_that_time_has_come(
    clocked: Server, clock: Clock
):
    """X33."""
    async with clocked.client(device="phone") as phone, clocked.client(device="laptop") as laptop:
        right_ms = clock.us // 1000
        clock.us += 20 * MINUTE_MS * 1000
        await push_at(phone, None)
        clock.us = (right_ms + 21 * MINUTE_MS) * 1000
        assert await push_at(laptop, right_ms + 15 * MINUTE_MS) == "c"
        assert await push_at(laptop, right_ms + 20 * MINUTE_MS) == "a"


async def test_known_a_slow_device_loses_to_what_it_has_seen_unless_it_names_that(clocked: Server, clock: Clock):
    """X34."""
    async with clocked.client(device="phone") as phone, clocked.client(device="laptop") as laptop:
        await push_at(laptop, None)
        clock.us += 1000
        seen = (await phone.pull()).changes[0].revision
        slow_ms = clock.us // 1000 - HOUR_MS
        assert await push_at(phone, slow_ms) == "c"
        assert outcomes(await phone.push(change("update", at_ms=slow_ms, base=seen))) == "a"


async def test_known_of_a_server_that_was_behind_an_older_edit_wins(clocked: Server, clock: Clock):
    """X35."""
    async with clocked.client(device="phone") as phone, clocked.client(device="laptop") as laptop:
        right_ms = clock.us // 1000
        clock.us -= 2 * DAY_MS * 1000
        await push_at(phone, right_ms)
        clock.us = right_ms * 1000
        assert await push_at(laptop, right_ms - DAY_MS) == "a"


async def test_a_device_whose_clock_was_set_right_does_not_lose_to_what_it_wrote_before(clocked: Server, clock: Clock):
    """X36; within its own skew it does, where both arrive after the first one's time."""
    async with clocked.client(device="phone") as phone:
        now_ms = clock.us // 1000
        assert await push_at(phone, now_ms + HOUR_MS) == "a"
        clock.us += 1000
        assert await push_at(phone, now_ms + 1) == "a"
    async with clocked.client("bob", device="phone") as phone:
        clock.us += 3 * HOUR_MS * 1000
        assert await push_at(phone, now_ms + HOUR_MS) == "a"
        assert await push_at(phone, now_ms + 1) == "c"


async def test_a_log_ahead_of_the_clock_hides_no_edit_of_a_right_clock(clocked: Server, clock: Clock):
    """Positions stay ahead for as long as the clock was; what is decided by time is not."""
    async with clocked.client(device="phone") as phone, clocked.client(device="laptop") as laptop:
        right_ms = clock.us // 1000
        clock.us += 30 * DAY_MS * 1000
        await phone.push(change("create", "other"))
        clock.us = right_ms * 1000
        pushed = await phone.push(change("update", at_ms=right_ms))
        assert pushed.results[0].change.revision // 1000 > right_ms + DAY_MS
        clock.us += 1_000_000
        assert await push_at(laptop, right_ms + 1000) == "a"
        assert await push_at(phone, right_ms + 999) == "c"
