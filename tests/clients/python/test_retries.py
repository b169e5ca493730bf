"""Which calls are made again, and that a push made again is the same push."""

import asyncio
import uuid
from itertools import count
from typing import Any

import pytest
from grpc import StatusCode

from clients.python.scripted import Refusal, scripted
from faults.proxy import Proxy
from harness import Server, now_ms
from syncline.v1 import sync_pb2
from syncline_client import (
    DeadlineExceeded,
    InvalidRequest,
    RateLimited,
    SessionExpired,
    SyncClient,
    Timing,
    Unavailable,
    create,
    update,
)
from waiting import until

QUICK = Timing(call_seconds=5, total_seconds=10, first_pause_seconds=0.01, longest_pause_seconds=0.05)
DRAINING = Refusal(StatusCode.UNAVAILABLE, "DRAINING")
EXPIRED = Refusal(StatusCode.UNAUTHENTICATED, "SESSION_EXPIRED")


def client_of(address: str, timing: Timing = QUICK, **options: Any) -> SyncClient:
    return SyncClient(address, api_key="key", timing=timing, **options)


@pytest.mark.parametrize(
    "refusal",
    [
        DRAINING,
        Refusal(StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"),
        Refusal(StatusCode.UNAVAILABLE),
        Refusal(StatusCode.DEADLINE_EXCEEDED),
        Refusal(StatusCode.CANCELLED),
    ],
    ids=str,
)
async def test_a_push_of_unknown_outcome_is_made_again_to_the_byte(refusal: Refusal):
    async with scripted(refusal, refusal) as server, client_of(server.address) as client:
        pushed = await client.push([create("todo"), update("todo", "a", {"n": 1})])
        assert len(pushed.results) == 2
        assert len(server.requests) == 3
        assert len(set(server.requests)) == 1


async def test_what_is_pushed_without_id_or_time_has_both_when_it_is_sent():
    async with scripted() as server, client_of(server.address) as client:
        await client.push([create("todo")])
        (change,) = sync_pb2.PushRequest.FromString(server.requests[0]).changes
        assert change.entity_id
        assert abs(change.client_timestamp.ToMilliseconds() - now_ms()) < 60_000


async def test_each_push_has_an_id_of_its_own_that_its_retries_keep():
    async with scripted(DRAINING, None, DRAINING) as server, client_of(server.address) as client:
        await client.push([create("todo")], expected_head_ms=0)
        await client.push([create("todo")])
        await client.push([create("todo")], push_id="kept")
        push_ids = [sync_pb2.PushRequest.FromString(request).push_id for request in server.requests]
        first, second = push_ids[0], push_ids[2]
        assert push_ids == [first, first, second, second, "kept"]
        assert uuid.UUID(first).version == uuid.UUID(second).version == 4
        assert first != second


async def test_a_push_shows_the_token_that_it_is_given():
    async with scripted() as server, client_of(server.address) as client:
        await client.push([create("todo")], checkpoint_token="t0")
        assert sync_pb2.PushRequest.FromString(server.requests[0]).checkpoint_token == "t0"


async def test_a_push_held_to_a_head_whose_answer_is_lost_is_applied_once(server: Server):
    timing = Timing(call_seconds=1, total_seconds=60, first_pause_seconds=0.01)
    async with (
        Proxy(server.address) as proxy,
        SyncClient(proxy.address, api_key=server.project.server_key, timing=timing) as client,
        SyncClient(server.address, api_key=server.project.server_key) as other,
    ):
        await client.pull(user_id="ada")  # it is connected
        proxy.black_hole(up=False)
        pushing = asyncio.create_task(client.push([create("todo", "a")], user_id="ada", expected_head_ms=0))
        await applied(server, 1)
        foreign = await other.push([update("todo", "a", {"by": "other"})], user_id="ada")
        proxy.reset()
        proxy.heal()
        pushed = await pushing
        assert pushed.results[0].replayed
        assert pushed.head_ms < foreign.head_ms
        page = await other.pull(user_id="ada")
        assert [(one.revision, one.json()) for one in page.changes] == [
            (foreign.results[0].change.revision, {"by": "other"})
        ]


async def test_an_error_after_an_unknown_outcome_does_not_deny_that_the_push_was_applied():
    invalid = Refusal(StatusCode.INVALID_ARGUMENT, "CHANGE_INVALID")
    async with scripted(DRAINING, invalid, invalid) as server, client_of(server.address) as client:
        with pytest.raises(InvalidRequest) as raised:
            await client.push([create("todo")])
        assert raised.value.outcome_unknown
        with pytest.raises(InvalidRequest) as raised:
            await client.push([create("todo")])
        assert not raised.value.outcome_unknown


async def test_a_call_gives_up_after_its_total_time():
    refusals = [Refusal(StatusCode.UNAVAILABLE, "DRAINING", retry_seconds=1)] * 50
    timing = Timing(total_seconds=1.5, first_pause_seconds=0.01)
    async with scripted(*refusals) as server, client_of(server.address, timing) as client:
        with pytest.raises(Unavailable):
            await client.pull()
        assert len(server.requests) == 2


async def test_a_rate_limit_is_the_callers_to_wait_out():
    limited = Refusal(StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", retry_seconds=7)
    async with scripted(limited) as server, client_of(server.address) as client:
        with pytest.raises(RateLimited) as raised:
            await client.push([create("todo")])
        assert raised.value.retry_after_seconds == 7


async def test_an_expired_session_is_renewed_once_a_call():
    numbers = count(1)
    async with (
        scripted(EXPIRED, None, EXPIRED, EXPIRED) as server,
        client_of(server.address, session_token=lambda: f"{next(numbers)}") as client,
    ):
        await client.pull()
        with pytest.raises(SessionExpired):
            await client.pull()
        assert server.tokens == ["Bearer 1", "Bearer 2", "Bearer 2", "Bearer 3"]


async def applied(server: Server, count_of_changes: int) -> None:
    """Wait until the log has so many changes."""
    async with server.client("ada") as looking:

        async def are_there() -> bool:
            return len((await looking.pull()).changes) >= count_of_changes

        await until(are_there)


async def test_a_push_to_a_server_that_says_nothing_ends_in_time(server: Server):
    timing = Timing(call_seconds=0.2, total_seconds=0.5, first_pause_seconds=0.01)
    async with (
        Proxy(server.address) as proxy,
        SyncClient(proxy.address, api_key=server.project.server_key, timing=timing) as client,
    ):
        proxy.black_hole()
        with pytest.raises(DeadlineExceeded) as raised:
            await client.push([create("todo")], user_id="ada")
        assert raised.value.outcome_unknown


async def test_a_push_whose_answer_is_lost_is_applied_once(server: Server):
    timing = Timing(call_seconds=1, total_seconds=60, first_pause_seconds=0.01)
    async with (
        Proxy(server.address) as proxy,
        SyncClient(proxy.address, api_key=server.project.server_key, timing=timing) as client,
    ):
        seen = [(await client.push([create("todo")], user_id="ada")).results[0]]
        for loses in (proxy.cut, proxy.reset):
            proxy.black_hole(up=False)
            pushing = asyncio.create_task(client.push([create("todo")], user_id="ada"))
            await applied(server, len(seen) + 1)
            loses()
            proxy.heal()
            seen.append((await pushing).results[0])
        assert [result.replayed for result in seen] == [False, True, True]
        page = await client.pull(user_id="ada")
        assert [change.revision for change in page.changes] == [result.change.revision for result in seen]
