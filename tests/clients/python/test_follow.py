"""Streams against a real server: where they start, what they hand out, what ends them and what does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode

from clients.python.scripted import Refusal, scripted
from faults.proxy import Proxy
from harness import Server, make_project, settings_for, started_server
from syncline_client import (
    Batch,
    Change,
    CheckpointInvalid,
    InvalidRequest,
    SessionExpired,
    SyncClient,
    Timing,
    Unauthenticated,
    Unavailable,
    create,
    revision_at,
    update,
)
from waiting import turn, until

QUICK = Timing(total_seconds=10, silence_seconds=1, first_pause_seconds=0.01, longest_pause_seconds=0.1)


@pytest.fixture(autouse=True)
async def in_time() -> AsyncIterator[None]:
    async with asyncio.timeout(60):
        yield


def service(server: Server, address: str = "", timing: Timing = QUICK) -> SyncClient:
    return SyncClient(address or server.address, api_key=server.project.server_key, timing=timing)


async def changes_of(batches: Any, count: int) -> tuple[list[Change], str]:
    """Read until there are so many changes; returns them and the last token."""
    changes: list[Change] = []
    async with aclosing(batches):
        async for batch in batches:
            changes += batch.changes
            if len(changes) >= count:
                return changes, batch.checkpoint_token
    return changes, ""


def ids(changes: list[Change]) -> list[str]:
    return [change.entity_id for change in changes]


@pytest.fixture
async def client(server: Server) -> AsyncIterator[SyncClient]:
    async with service(server) as opened:
        yield opened


async def push(client: SyncClient, *ids: str, user: str = "ada", kind: str = "todo") -> None:
    await client.push([create(kind, entity_id) for entity_id in ids], user_id=user)


async def test_a_stream_catches_up_and_goes_on_live(client: SyncClient):
    await push(client, "a")
    batches = client.follow(user_id="ada")
    first = await anext(batches)
    assert (ids(list(first.changes)), first.caught_up) == (["a"], True)
    await push(client, "b")
    assert ids((await changes_of(batches, 1))[0]) == ["b"]


async def test_a_token_resumes_after_its_batch(client: SyncClient):
    await push(client, "a")
    _, token = await changes_of(client.follow(user_id="ada"), 1)
    await push(client, "b")
    assert ids((await changes_of(client.follow(user_id="ada", checkpoint_token=token), 1))[0]) == ["b"]


async def test_the_firehose_has_all_users_and_only_the_types_asked_for(client: SyncClient):
    await push(client, "a", user="ada")
    await push(client, "b", user="bob", kind="note")
    await push(client, "c", user="cyd")
    changes, _ = await changes_of(client.follow(["todo"], all_users=True), 2)
    assert [(change.user_id, change.entity_id) for change in changes] == [("ada", "a"), ("cyd", "c")]


@pytest.mark.parametrize("scope", [{"user_id": "ada"}, {"all_users": True}], ids=["a user", "all users"])
async def test_from_the_end_only_what_comes_after_is_read(client: SyncClient, scope: dict[str, Any]):
    await push(client, "a")
    batches = client.follow(from_end=True, reset_when_expired=True, **scope)
    assert not (await anext(batches)).changes
    await push(client, "b")
    assert ids((await changes_of(batches, 1))[0]) == ["b"]


async def test_a_time_is_a_position(client: SyncClient):
    await push(client, "a")
    (first,) = (await client.pull(user_id="ada")).changes
    await push(client, "b")
    after = client.follow(user_id="ada", after_revision=first.revision)
    assert ids((await changes_of(after, 1))[0]) == ["b"]
    changes, _ = await changes_of(
        client.follow(user_id="ada", after_revision=revision_at(datetime(2020, 1, 1, tzinfo=UTC))), 2
    )
    assert ids(changes) == ["a", "b"]


async def test_a_finite_stream_ends_when_it_has_caught_up(client: SyncClient):
    for letter in "ab":
        await push(client, *(f"{letter}{number}" for number in range(1000)))
    batches = [batch async for batch in client.follow(user_id="ada", until_caught_up=True)]
    assert len(batches) > 1
    assert [batch.caught_up for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert sum(len(batch.changes) for batch in batches) == 2000


async def test_two_positions_are_refused(client: SyncClient):
    with pytest.raises(ValueError, match="one of"):
        await anext(client.follow(checkpoint_token="t", after_revision=1))


async def test_what_waiting_does_not_mend_ends_a_stream(server: Server, client: SyncClient):
    with pytest.raises(CheckpointInvalid):
        await anext(client.follow(all_users=True, checkpoint_token="AAAA"))
    with pytest.raises(InvalidRequest):
        await anext(client.follow(["no type"], all_users=True))
    with pytest.raises(Unauthenticated):
        await anext(client.follow())


async def test_a_finite_stream_without_a_server_gives_up():
    timing = Timing(total_seconds=0.5, first_pause_seconds=0.1)
    async with SyncClient("127.0.0.1:1", api_key="key", timing=timing) as client:
        with pytest.raises(Unavailable):
            await anext(client.follow(until_caught_up=True))


async def test_a_stream_that_has_ended_connects_no_more():
    timing = Timing(total_seconds=0.5, first_pause_seconds=0.1)
    async with Proxy("127.0.0.1:1") as proxy, SyncClient(proxy.address, api_key="key", timing=timing) as client:
        with pytest.raises(Unavailable) as raised:
            await anext(client.follow(until_caught_up=True))
        connections = proxy.accepted
        # A channel connects again within 0.1 s, for as long as anything remembers a call of its.
        await asyncio.sleep(0.3)
        assert proxy.accepted == connections, raised


@pytest.mark.parametrize("breaks", ["cut", "reset", "half_close"])
async def test_a_lost_connection_is_made_anew(server: Server, breaks: str):
    async with Proxy(server.address) as proxy, service(server, proxy.address) as client:
        batches = client.follow(user_id="ada")
        await anext(batches)
        for number in range(3):
            getattr(proxy, breaks)()
            async with service(server) as writer:
                await push(writer, f"{number}")
            assert ids(list((await _next_with_changes(batches)).changes)) == [f"{number}"]
        await batches.aclose()


async def test_a_silent_connection_is_given_up(server: Server):
    async with Proxy(server.address) as proxy, service(server, proxy.address) as client, service(server) as writer:
        batches = client.follow(user_id="ada")
        await anext(batches)
        proxy.black_hole()
        reading = asyncio.create_task(changes_of(batches, 1))
        await push(writer, "a")
        await until(lambda: proxy.accepted >= 3)
        proxy.heal()
        assert ids((await reading)[0]) == ["a"]


async def test_heartbeats_keep_a_stream_alive(database_url: str):
    settings = settings_for(database_url, heartbeat_seconds=0.1)
    async with started_server(settings) as server, Proxy(server.address) as proxy:
        async with service(server, proxy.address) as client, aclosing(client.follow(all_users=True)) as batches:
            for _ in range(10):
                assert not (await anext(batches)).changes
        assert proxy.accepted == 1


async def test_a_stream_outlives_a_server_that_drains(database_url: str):
    settings = settings_for(database_url)
    project = await make_project(settings)
    async with (
        Proxy("127.0.0.1:1") as proxy,
        SyncClient(proxy.address, api_key=project.server_key, timing=QUICK) as client,
        aclosing(client.follow(user_id="ada")) as batches,
    ):
        for number in range(3):
            async with started_server(settings, project) as server:
                proxy.target = server.address
                await push(client, f"{number}")
                assert ids(list((await _next_with_changes(batches)).changes)) == [f"{number}"]


async def test_an_expired_session_is_renewed_and_one_that_stays_expired_ends_the_stream(server: Server):
    tokens = [server.project.token(ttl=2), server.project.token(), "unused"]
    key = server.project.client_key
    async with SyncClient(server.address, api_key=key, session_token=lambda: tokens.pop(0)) as client:
        batches = client.follow()
        await anext(batches)
        # The second comes from the second session.
        await anext(batches)
        assert tokens == ["unused"]
        await batches.aclose()
    async with SyncClient(server.address, api_key=key, session_token=lambda: server.project.token(ttl=-1)) as client:
        with pytest.raises(SessionExpired):
            await anext(client.follow())


async def test_the_position_to_resume_from_is_that_of_the_last_batch_handed_out():
    refusals = [Refusal(StatusCode.UNAVAILABLE, "DRAINING")] * 3
    async with scripted(*refusals) as server, SyncClient(server.address, api_key="key", timing=QUICK) as client:
        tokens = [batch.checkpoint_token async for batch in client.follow(until_caught_up=True, checkpoint_token="t0")]
        assert tokens == ["t1", "t2", "t3", "t4"]
        assert [request.count(f"t{number}".encode()) for number, request in enumerate(server.requests)] == [1] * 4


async def test_cancelling_the_reader_cancels_it(client: SyncClient):
    batches = client.follow(user_id="nobody")
    await anext(batches)
    reading = asyncio.create_task(changes_of(batches, 1))
    await turn()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_service_that_reacts_to_what_it_reads_meets_no_conflict(server: Server, client: SyncClient):
    await push(client, "a")
    batches = client.follow(all_users=True)
    async with aclosing(batches):
        for number in range(20):
            batch = await _next_with_changes(batches)
            (change,) = batch.changes
            pushed = await client.push([update("todo", "a", {"n": number})], user_id=change.user_id)
            assert not pushed.conflicts


async def _next_with_changes(batches: AsyncIterator[Batch]) -> Batch:
    while not (batch := await anext(batches)).changes:
        pass
    return batch
