"""PushStream: pushes that do not wait for one another, answered in order, each failing alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2
from grpc import aio

from harness import Client, FailedCall, Server, change, failure, failure_of, ids, outcomes, settings_for, started_server
from ports import free_address
from server.rpc.test_streams import end_of, streams_left
from storage import nothing_can_be_written
from syncline.v1 import sync_pb2

SOON = 10
CODES = {code.value[0]: code for code in grpc.StatusCode}


class Stream:
    """One stream of pushes, and the answers it has brought."""

    def __init__(self, client: Client) -> None:
        self.call = client.push_stream()
        self.answers: list[sync_pb2.PushAnswer] = []

    async def send(self, *pushes: sync_pb2.PushRequest) -> None:
        await self.call.write(sync_pb2.PushStreamRequest(pushes=pushes))

    async def answered(self, count: int) -> Sequence[sync_pb2.PushAnswer]:
        """Read until there are so many answers."""
        async with asyncio.timeout(SOON):
            while len(self.answers) < count:
                message = await self.call.read()
                assert message is not aio.EOF
                self.answers += message.answers
        return self.answers

    async def close(self) -> Sequence[sync_pb2.PushAnswer]:
        """Say that no more will come, and return all answers."""
        await self.call.done_writing()
        async with asyncio.timeout(SOON):
            while (message := await self.call.read()) is not aio.EOF:
                self.answers += message.answers
            assert await self.call.code() is grpc.StatusCode.OK
        return self.answers


def push(*changes: sync_pb2.Change, **fields: Any) -> sync_pb2.PushRequest:
    return sync_pb2.PushRequest(changes=changes, **fields)


def refusal(answer: sync_pb2.PushAnswer) -> FailedCall:
    assert answer.WhichOneof("answer") == "status"
    status = status_pb2.Status.FromString(answer.status)
    return failure_of(CODES[status.code], status)


@pytest.fixture
async def client(shared_server: Server, user: str) -> AsyncIterator[Client]:
    async with shared_server.client(user, device="phone") as opened:
        yield opened


async def test_pushes_are_applied_and_answered_in_order(client: Client):
    stream = Stream(client)
    for at in range(0, 600, 3):
        await stream.send(*[push(change("create", f"e{at + more}")) for more in range(3)])
    answers = await stream.close()
    assert [answer.response.results[0].change.entity_id for answer in answers] == [f"e{at}" for at in range(600)]
    assert ids(await client.pull_all("todo")) == [f"e{at}" for at in range(600)]


async def test_an_answer_comes_without_another_push(client: Client):
    stream = Stream(client)
    await stream.send(push(change("create", "e1")))
    first = (await stream.answered(1))[0].response
    await stream.send(push(change("create", "e2"), checkpoint_token=first.checkpoint_token))
    second = (await stream.answered(2))[1].response
    assert (outcomes(first), outcomes(second)) == ("a", "a")
    assert (await client.pull("todo", checkpoint_token=second.checkpoint_token)).changes == []


async def test_a_push_is_answered_as_by_push(client: Client):
    stream = Stream(client)
    await stream.send(push(change("create", "e1", {"title": "x"}), change("update", "e2", {"n": 1})))
    answers = await stream.answered(1)
    alone = await client.push(change("create", "e1", {"title": "x"}), change("update", "e2", {"n": 1}))
    assert outcomes(answers[0].response) == "aa"
    assert answers[0].response.head_ms
    assert [one.change.entity_id for one in answers[0].response.results] == ["e1", "e2"]
    assert answers[0].response.results[1].change.data == alone.results[1].change.data


async def test_a_push_that_fails_fails_alone(client: Client):
    stream = Stream(client)
    await stream.send(
        push(change("create", "e1")),
        push(change("create", "e2", b"no json")),
        push(change("create", "e3"), checkpoint_token="no token"),
        push(change("update", "e9"), require_existing=True),
        push(change("create", "e4"), user_id="somebody else"),
        push(change("create", "e5"), expected_head_ms=1),
        push(change("create", "e6")),
    )
    answers = await stream.close()
    assert [answer.WhichOneof("answer") for answer in answers] == ["response", *["status"] * 5, "response"]
    assert [(refusal(answer).code, refusal(answer).reason) for answer in answers[1:6]] == [
        ("INVALID_ARGUMENT", "CHANGE_INVALID"),
        ("INVALID_ARGUMENT", "CHECKPOINT_INVALID"),
        ("NOT_FOUND", "ENTITY_NOT_FOUND"),
        ("PERMISSION_DENIED", "USER_FORBIDDEN"),
        ("ABORTED", "HEAD_MISMATCH"),
    ]
    assert ids(await client.pull_all("todo")) == ["e1", "e6"]


async def test_a_server_key_pushes_for_many_users(shared_server: Server, user: str):
    users = [f"{user}-{at}" for at in range(16)]
    async with shared_server.service() as service:
        stream = Stream(service)
        for turn in range(10):
            await stream.send(*[push(change("create", f"e{turn}"), user_id=one) for one in users])
        answers = await stream.close()
    assert all(outcomes(answer.response) == "a" for answer in answers)
    async with shared_server.client(users[3]) as client:
        assert ids(await client.pull_all("todo")) == [f"e{turn}" for turn in range(10)]


async def test_nobody_unknown_opens_a_stream(shared_server: Server):
    async with Client(shared_server.address, {"x-api-key": "sl_client_none"}) as stranger:
        told = await end_of(stranger.push_stream())
    assert (told.code, told.reason) == ("UNAUTHENTICATED", "KEY_INVALID")


async def test_what_is_no_message_ends_the_stream_after_the_answers(client: Client, shared_server: Server):
    call = client._channel.stream_stream(
        "/syncline.v1.SyncService/PushStream", response_deserializer=sync_pb2.PushStreamResponse.FromString
    )(metadata=client.metadata)
    await call.write(sync_pb2.PushStreamRequest(pushes=[push(change("create", "e1"))]).SerializeToString())
    await call.write(b"\x0a\xff")
    answers = await call.read()
    assert outcomes(answers.answers[0].response) == "a"
    assert (await end_of(call)).code == "INVALID_ARGUMENT"


async def test_a_stream_is_read_no_further_than_so_many_unanswered_pushes(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("syncline_server.rpc.push_streams._MAX_UNANSWERED", 5)
    settings = settings_for(database_url, max_project_waiting_pushes=6)
    async with started_server(settings) as server, server.client() as client:
        stream = Stream(client)
        async with nothing_can_be_written(database_url):
            await stream.send(*[push(change("create", f"e{at}")) for at in range(100)])
            first = await stream.answered(1)
            assert refusal(first[0]).reason == "STORE_UNAVAILABLE"
        answers = await stream.close()
    reasons = {refusal(answer).reason for answer in answers if answer.WhichOneof("answer") == "status"}
    assert reasons == {"STORE_UNAVAILABLE"}  # and nothing is refused since too much waits
    assert outcomes(answers[-1].response) == "a"


async def test_draining_ends_a_stream_after_the_last_answer(database_url: str):
    async with AsyncExitStack() as after_the_server:
        async with started_server(settings_for(database_url)) as server:
            client = await after_the_server.enter_async_context(server.client())
            stream = Stream(client)
            for at in range(200):
                await stream.send(push(change("create", f"e{at}")))
            await stream.answered(1)
        with pytest.raises(aio.AioRpcError) as ended:
            await stream.answered(1000)
    assert failure(ended.value).reason == "DRAINING"
    async with started_server(server.settings, server.project) as again, again.client() as client:
        applied = ids(await client.pull_all("todo"))
    assert [answer.response.results[0].change.entity_id for answer in stream.answers] == applied


async def test_a_client_that_takes_no_answers_is_cut(database_url: str):
    settings = settings_for(database_url, slow_reader_seconds=0.5, metrics_address=free_address())
    async with started_server(settings) as server, server.client() as client:
        stream = Stream(client)
        await client.push(*[change("create", f"e{at}", {"x": "x" * 200_000}) for at in range(10)])
        losing = [change("create", f"e{at}", base=1) for at in range(10)]  # each is answered with the server's version
        for _ in range(30):
            await stream.send(push(*losing))
        await streams_left(settings, 0)
        told = await end_of(stream.call)
        assert (told.code, told.reason) == ("RESOURCE_EXHAUSTED", "READER_TOO_SLOW")


async def test_a_client_that_goes_leaves_nothing_behind(database_url: str):
    settings = settings_for(database_url, metrics_address=free_address())
    async with started_server(settings) as server, server.client() as client:
        streams = [Stream(client) for _ in range(20)]
        for stream in streams:
            await stream.send(*[push(change("create", f"e{at}")) for at in range(20)])
        for stream in streams:
            stream.call.cancel()
        await streams_left(settings, 0)
        assert outcomes(await client.push(change("create", "last"))) == "a"
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "push stream"]


async def test_a_session_that_expires_ends_its_stream(shared_server: Server, user: str):
    async with shared_server.client(user, ttl=1) as client:
        stream = Stream(client)
        await stream.send(push(change("create", "e1")))
        await stream.answered(1)

        async def push_on() -> None:
            while True:
                await stream.send(push(change("create", "e1")))
                await stream.call.read()

        with pytest.raises((aio.AioRpcError, asyncio.InvalidStateError)):
            async with asyncio.timeout(SOON):
                await push_on()
        assert await stream.call.code() is grpc.StatusCode.UNAUTHENTICATED
