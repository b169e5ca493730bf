"""T3: streams catch up, follow, keep alive and end as the contract says."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from grpc import aio

from harness import Client, Server, change, failure, ids, settings_for, started_server
from metrics import open_streams
from ports import free_address
from syncline_server.settings import ServerSettings
from waiting import until

SOON = 5


async def read(stream: Any) -> Any:
    async with asyncio.timeout(SOON):
        message = await stream.read()
    assert message is not aio.EOF
    return message


async def end_of(stream: Any) -> Any:
    """Read on until the stream fails and return what the client is told."""
    try:
        async with asyncio.timeout(SOON):
            while await stream.read() is not aio.EOF:
                pass
    except aio.AioRpcError as error:
        return failure(error)
    raise AssertionError("the stream ended well")


async def streams_left(settings: ServerSettings, count: int) -> None:
    """Wait until the server has so many streams."""

    async def are_left() -> bool:
        return await open_streams(settings.metrics_address) == count

    await until(are_left)


def tasks_of_live_logs() -> set["asyncio.Task[Any]"]:
    """Return what reads a project's changes for those who follow it, of all servers in this process."""
    return {task for task in asyncio.all_tasks() if task.get_name().startswith("live-log-")}


@pytest.fixture
async def client(shared_server: Server, user: str) -> AsyncIterator[Client]:
    async with shared_server.client(user) as opened:
        yield opened


async def test_the_first_message_comes_at_once_even_when_there_is_nothing(client: Client):
    first = await read(client.stream("todo", follow=True))
    assert (list(first.changes), first.caught_up) == ([], True)
    assert first.checkpoint_token


async def test_a_stream_that_does_not_follow_ends_when_it_has_caught_up(client: Client):
    await client.push(*[change("create", f"e{at}") for at in range(1000)])
    await client.push(*[change("create", f"f{at}") for at in range(500)])
    messages = [message async for message in client.stream("todo")]
    assert len({one.entity_id for message in messages for one in message.changes}) == 1500
    assert [message.caught_up for message in messages] == [False] * (len(messages) - 1) + [True]


async def test_a_stream_goes_by_revision_from_message_to_message(client: Client):
    for start in range(3):
        await client.push(*[change("create", f"e{start}-{at}", {"x": "x" * 5000}) for at in range(150)])
    revisions = [one.revision async for message in client.stream("todo") for one in message.changes]
    assert revisions == sorted(set(revisions))
    assert len(revisions) == 450


async def test_later_commits_are_delivered_live_and_caught_up_is_said_once(client: Client):
    stream = client.stream("todo", follow=True)
    messages = [await read(stream)]
    for at in range(3):
        await client.push(change("create", f"e{at}"))
        messages.append(await read(stream))
    assert [ids(message.changes) for message in messages] == [[], ["e0"], ["e1"], ["e2"]]
    assert [message.caught_up for message in messages] == [True, False, False, False]


async def test_every_message_carries_the_token_to_resume_from(client: Client):
    stream = client.stream("todo", follow=True)
    tokens = [(await read(stream)).checkpoint_token]
    for at in range(3):
        await client.push(change("create", f"e{at}"))
        tokens.append((await read(stream)).checkpoint_token)
    stream.cancel()
    for at, token in enumerate(tokens):
        resumed = await read(client.stream("todo", checkpoint_token=token))
        assert ids(resumed.changes) == [f"e{later}" for later in range(at, 3)]


async def test_only_the_types_that_were_asked_for_come(client: Client):
    stream = client.stream("note", follow=True)
    await read(stream)
    await client.push(change("create", "t1"), change("create", "n1", entity_type="note"))
    assert ids((await read(stream)).changes) == ["n1"]


async def test_streams_of_other_users_are_left_alone(shared_server: Server, client: Client, user: str):
    async with shared_server.client(f"{user}-other") as other:
        stream = client.stream("todo", follow=True)
        await read(stream)
        await other.push(change("create", "theirs"))
        await client.push(change("create", "mine"))
        assert ids((await read(stream)).changes) == ["mine"]


async def test_a_revision_ahead_of_the_log_is_its_end(client: Client):
    await client.push(change("create", "before"))
    stream = client.stream("todo", follow=True, after_revision=2**62)
    assert (await read(stream)).caught_up
    await client.push(change("create", "after"))
    assert ids((await read(stream)).changes) == ["after"]


async def test_many_streams_follow_while_calls_go_on(client: Client):
    streams = [client.stream("todo", follow=True) for _ in range(60)]
    await asyncio.gather(*[read(stream) for stream in streams])
    await client.push(change("create", "e1"))
    messages = await asyncio.gather(*[read(stream) for stream in streams])
    assert [ids(message.changes) for message in messages] == [["e1"]] * 60


async def test_an_idle_stream_gets_a_checkpoint(database_url: str):
    async with started_server(settings_for(database_url, heartbeat_seconds=0.2)) as server, server.client() as client:
        stream = client.stream("note", follow=True)
        first = await read(stream)
        await client.push(change("create", "e1"))
        beats = [await read(stream) for _ in range(3)]
        assert not any(beat.changes or beat.caught_up for beat in beats)
        assert beats[-1].checkpoint_token != first.checkpoint_token
        resumed = await read(client.stream("todo", checkpoint_token=beats[-1].checkpoint_token))
        assert not resumed.changes


async def test_draining_ends_a_stream_soon_and_with_its_last_token(database_url: str):
    settings = settings_for(database_url)
    async with AsyncExitStack() as stack:
        async with started_server(settings) as server:
            client = await stack.enter_async_context(server.client())
            stream, many = client.stream("todo", follow=True), [client.stream(follow=True) for _ in range(20)]
            await asyncio.gather(*[read(one) for one in (stream, *many)])
            await client.push(change("create", "e1"))
            last = await read(stream)
            started_at = time.monotonic()
        assert time.monotonic() - started_at < 2
        told, *others = await asyncio.gather(*[end_of(one) for one in (stream, *many)])
    assert (told.code, told.reason) == ("UNAVAILABLE", "DRAINING")
    assert told.retry_seconds is not None
    assert told.metadata["checkpoint_token"] == last.checkpoint_token
    assert {other.reason for other in others} == {"DRAINING"}
    async with started_server(settings, server.project) as again, again.client() as client:
        await client.push(change("create", "e2"))
        resumed = await read(client.stream("todo", checkpoint_token=told.metadata["checkpoint_token"]))
        assert ids(resumed.changes) == ["e2"]


async def test_a_stream_ends_with_its_session(shared_server: Server, user: str):
    async with shared_server.client(user, ttl=2) as client:
        stream = client.stream("todo", follow=True)
        first = await read(stream)
        told = await end_of(stream)
        assert (told.code, told.reason) == ("UNAUTHENTICATED", "SESSION_EXPIRED")
        assert told.metadata["checkpoint_token"] == first.checkpoint_token


async def test_a_reader_that_takes_nothing_is_cut_and_delays_nobody(database_url: str):
    settings = settings_for(database_url, slow_reader_seconds=0.5, metrics_address=free_address())
    large = "x" * 200_000
    async with started_server(settings) as server, server.client() as stuck, server.client() as client:
        slow, quick = stuck.stream("todo", follow=True), client.stream("todo", follow=True)
        await asyncio.gather(slow.read(), read(quick))
        seen = []
        # gRPC takes some 6 MB ahead of a reader; this is three times as much.
        for at in range(90):
            await client.push(change("create", f"e{at}", {"x": large}))
            seen += ids((await read(quick)).changes)
        assert seen == [f"e{at}" for at in range(90)]
        # Whoever began to take something again now would not be cut.
        await streams_left(settings, 1)
        told = await end_of(slow)
        assert (told.code, told.reason) == ("RESOURCE_EXHAUSTED", "READER_TOO_SLOW")
        rest = await client.pull_all("todo", token=told.metadata["checkpoint_token"])
        assert rest
        assert ids(rest)[-1] == "e89"


async def test_what_a_cut_reader_had_received_and_what_it_resumes_with_is_everything(database_url: str):
    settings = settings_for(database_url, slow_reader_seconds=0.3, metrics_address=free_address())
    async with started_server(settings) as server, server.client() as stuck, server.client() as client:
        for start in range(0, 40, 10):
            await client.push(*[change("create", f"e{start + at}", {"x": "x" * 200_000}) for at in range(10)])
        slow = stuck.stream("todo", follow=True)
        received, token = [], ""
        try:
            async with asyncio.timeout(20):
                while message := await slow.read():
                    received += ids(message.changes)
                    token = message.checkpoint_token
                    await streams_left(settings, 0)
        except aio.AioRpcError as error:
            told = failure(error)
        assert told.reason == "READER_TOO_SLOW"
        resumed = ids(await client.pull_all("todo", token=token))
        assert received + resumed == [f"e{at}" for at in range(40)]
        told_from = ids(await client.pull_all("todo", token=told.metadata["checkpoint_token"]))
        assert told_from[-len(resumed) :] == resumed


async def test_a_client_that_leaves_leaves_nothing_behind(database_url: str):
    settings = settings_for(database_url, metrics_address=free_address())
    async with started_server(settings) as server, server.client() as client:
        before = tasks_of_live_logs()
        streams = [client.stream("todo", follow=True) for _ in range(20)]
        await asyncio.gather(*[read(stream) for stream in streams])
        await streams_left(settings, 20)
        assert tasks_of_live_logs() > before
        for stream in streams:
            stream.cancel()
        await streams_left(settings, 0)
        await until(lambda: tasks_of_live_logs() <= before)
        await client.push(change("create", "e1"))
        assert ids((await read(client.stream("todo", follow=True))).changes) == ["e1"]
