"""A pusher: pushes that do not wait for one another, in order, each applied once whatever happens to the connection."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from faults.proxy import Proxy
from harness import Server, make_project, settings_for, started_server
from ports import free_address
from syncline_client import InvalidRequest, SyncClient, Timing, Unauthenticated, Unavailable, create, update
from waiting import turn, until

QUICK = Timing(call_seconds=5, total_seconds=20, first_pause_seconds=0.01, longest_pause_seconds=0.05)


def client_of(server: Server, address: str = "", timing: Timing = QUICK, **options: Any) -> SyncClient:
    return SyncClient(address or server.address, api_key=server.project.server_key, timing=timing, **options)


@pytest.fixture
def unused_address() -> str:
    return free_address()


async def entities_of(server: Server, user: str) -> list[str]:
    async with client_of(server) as client:
        batches = client.follow(until_caught_up=True, user_id=user)
        return [change.entity_id async for batch in batches for change in batch.changes]


async def test_pushes_go_in_the_order_of_their_calls(shared_server: Server, user: str):
    async with client_of(shared_server) as client, client.pusher() as pusher:
        pushes = [pusher.push([create("todo", f"e{at}")], user_id=user) for at in range(300)]
        answers = await asyncio.gather(*pushes)
        assert [answer.results[0].change.entity_id for answer in answers] == [f"e{at}" for at in range(300)]
        assert await entities_of(shared_server, user) == [f"e{at}" for at in range(300)]


async def test_after_a_cut_each_push_is_applied_once_and_in_order(shared_server: Server, user: str):
    async with (
        Proxy(shared_server.address) as proxy,
        client_of(shared_server, proxy.address) as client,
        client.pusher() as pusher,
    ):
        pushes = asyncio.gather(*(pusher.push([create("todo", f"e{at}")], user_id=user) for at in range(500)))
        for _ in range(5):
            seen = len(await entities_of(shared_server, user))

            async def some_more(seen: int = seen) -> bool:
                return pushes.done() or len(await entities_of(shared_server, user)) > seen + 20

            await until(some_more)
            proxy.cut()
        await pushes
        assert await entities_of(shared_server, user) == [f"e{at}" for at in range(500)]


async def test_a_push_that_is_refused_fails_alone(shared_server: Server, user: str):
    async with client_of(shared_server) as client, client.pusher() as pusher:
        first, bad, last = await asyncio.gather(
            pusher.push([create("todo", "e1")], user_id=user),
            pusher.push([update("no type!", "e2", {})], user_id=user),
            pusher.push([create("todo", "e3")], user_id=user),
            return_exceptions=True,
        )
        assert isinstance(bad, InvalidRequest)
        assert not bad.outcome_unknown
        assert not isinstance(first, BaseException)
        assert not isinstance(last, BaseException)
        assert await entities_of(shared_server, user) == ["e1", "e3"]


async def test_a_server_that_restarts_costs_nothing(database_url: str):
    settings = settings_for(database_url)
    project = await make_project(settings)
    timing = replace(QUICK, total_seconds=60)
    async with (
        Proxy("127.0.0.1:1") as proxy,
        SyncClient(proxy.address, api_key=project.server_key, timing=timing) as client,
        client.pusher() as pusher,
    ):
        async with started_server(settings, project) as server:
            proxy.target = server.address
            await pusher.push([create("todo", "e0")], user_id="ada")
            pushes = asyncio.gather(*(pusher.push([create("todo", f"e{at}")], user_id="ada") for at in range(1, 300)))
            await turn()
        async with started_server(settings, project) as server:
            proxy.target = server.address
            await pushes
            assert await entities_of(server, "ada") == [f"e{at}" for at in range(300)]


async def test_nobody_unknown_pushes(shared_server: Server):
    stranger = SyncClient(shared_server.address, api_key="sl_client_none", timing=QUICK)
    async with stranger as client, client.pusher() as pusher:
        with pytest.raises(Unauthenticated):
            await pusher.push([create("todo")])


async def test_a_server_that_is_not_there_is_given_up_after_a_while(unused_address: str):
    timing = Timing(call_seconds=0.2, total_seconds=0.5, first_pause_seconds=0.01, longest_pause_seconds=0.05)
    async with SyncClient(unused_address, api_key="key", timing=timing) as client, client.pusher() as pusher:
        with pytest.raises(Unavailable) as failed:
            await pusher.push([create("todo")])
        assert isinstance(failed.value.outcome_unknown, bool)


async def test_what_waits_when_a_pusher_is_closed_fails(unused_address: str):
    async with SyncClient(unused_address, api_key="key", timing=QUICK) as client:
        async with client.pusher() as pusher:
            waiting = asyncio.create_task(pusher.push([create("todo")]))
            await turn()
        with pytest.raises(Unavailable):
            await waiting
