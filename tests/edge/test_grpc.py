"""Strangers, and users who take too much, at the gRPC door: what they get, and what others notice of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing

import pytest
from grpc import aio
from sqlalchemy import text

from edge import http2
from harness import Client, Server, change, opened_engines, refused, settings_for, started_server
from syncline import refusals
from syncline.v1 import sync_pb2
from syncline_server.identity import withdrawals
from syncline_server.identity.projects import ProjectKey
from syncline_server.rpc import connections, incoming, observer
from syncline_server.store.registry import SqlRegistry
from waiting import until

UNAUTHENTICATED = "16"
MANY = 3 * 512 * 1024
STRANGER = {"x-api-key": "sl_client_000000000000_" + "0" * 64}


async def raw_push(client: Client, message: bytes) -> object:
    call = client._channel.unary_unary("/syncline.v1.SyncService/Push")
    return await call(message, metadata=client.metadata, timeout=30)


@pytest.mark.parametrize("method", ["Push", "Pull", "StreamPull", "CreateTicket"])
async def test_nothing_is_read_of_a_strangers_request(shared_server: Server, method: str):
    async with http2.connected(shared_server.address) as stranger:
        call = await stranger.begin(method, STRANGER)
        assert await stranger.status_of(call) == UNAUTHENTICATED


async def test_a_strangers_unfinished_messages_end_with_their_calls(shared_server: Server):
    async with http2.connected(shared_server.address) as stranger:
        calls = [await stranger.begin("Push", STRANGER) for _ in range(50)]
        for call in calls:
            await stranger.send(call, bytes(1024), announced=4 * 1024 * 1024)
        assert {await stranger.status_of(call) for call in calls} == {UNAUTHENTICATED}


async def test_a_message_that_does_not_come_is_not_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(incoming, "_READ_SECONDS", 0.1)
    async with server.client() as user, http2.connected(server.address) as slow:
        call = await slow.begin("Push", dict(user.metadata))
        await slow.send(call, bytes(1024), announced=1024 * 1024)
        assert await slow.status_of(call) == "3"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (b"\x0a\x00" * MANY, "changes"),
        (b"\x0a\x02\x08\x01" * (MANY // 2), "changes"),
        (sync_pb2.PushRequest(changes=[{"retained_members": [""] * MANY}]).SerializeToString(), "retained_members"),
        (sync_pb2.PushRequest(changes=[{"required_entities": [{}] * MANY}]).SerializeToString(), "required_entities"),
        (b"\x20\x01" * MANY, "request"),
        (b"\xff" * MANY, "request"),
    ],
    ids=["empty changes", "small changes", "members", "entities", "unknown fields", "no message"],
)
async def test_what_would_be_millions_of_objects_is_refused_before_it_is_any(
    shared_server: Server, user: str, message: bytes, field: str
):
    async with shared_server.client(user) as client:
        told = await refused(raw_push(client, message))
    assert (told.code, field in told.violations[0][0]) == ("INVALID_ARGUMENT", True)
    assert field == "request" or "got more" in told.message


async def test_refusals_of_an_address_wait_and_those_who_are_let_in_do_not(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(refusals, "_FREE", 3)
    async with (
        started_server(settings_for(sqlite_url, failure_delay_seconds=60)) as server,
        Client(server.address, STRANGER) as stranger,
        server.client() as user,
    ):
        for _ in range(3):
            await refused(stranger.pull())
        waiting = asyncio.create_task(refused(stranger.pull()))
        for _ in range(20):
            await user.pull()
        assert not waiting.done()
        waiting.cancel()


async def test_keys_that_nobody_has_take_few_connections_of_the_store(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    find, at_once, most = SqlRegistry.find_key, 0, 0

    async def counted(registry: SqlRegistry, key_id: str) -> ProjectKey | None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            return await find(registry, key_id)
        finally:
            at_once -= 1

    monkeypatch.setattr(SqlRegistry, "find_key", counted)
    async with started_server(settings_for(database_url, failure_delay_seconds=0)) as server, server.client() as user:
        await user.push(change())
        async with Client(server.address, {}) as stranger, asyncio.TaskGroup() as crowd:
            for number in range(80):
                key = (("x-api-key", f"sl_client_{number:012}_0"),)
                crowd.create_task(refused(stranger.stub.Pull(sync_pb2.PullRequest(), metadata=key)))
            for _ in range(20):
                assert (await user.pull()).changes
    assert most <= 3, "two of strangers, and one of those who are known"


async def test_a_user_has_so_many_streams_and_no_more_even_when_all_open_at_once(database_url: str):
    settings = settings_for(database_url, max_user_streams=5, metrics_address=None)
    async with started_server(settings) as server, server.client("ada") as ada, server.client("bob") as bob:
        streams = [ada.stream("todo", follow=True) for _ in range(40)]
        first = await asyncio.gather(*(stream.read() for stream in streams), return_exceptions=True)
        opened = [stream for stream, one in zip(streams, first, strict=True) if not isinstance(one, BaseException)]
        assert len(opened) == 5
        told = await refused(ada.stream("todo").read())
        assert (told.code, told.reason, told.metadata["limit"]) == ("RESOURCE_EXHAUSTED", "TOO_MANY_OPEN", "5")
        assert (await bob.stream("todo", follow=True).read()).caught_up
        opened[0].cancel()
        await until(lambda: _opens(ada))


async def _opens(client: Client) -> bool:
    try:
        return bool((await client.stream("todo").read()).caught_up)
    except aio.AioRpcError:
        return False


WITHDRAWN = {
    "key": ("UPDATE project_keys SET revoked_at_us = 1", "KEY_INVALID"),
    "key, gone": ("DELETE FROM project_keys", "KEY_INVALID"),
    "secret": ("UPDATE session_secrets SET secret = 'another'", "SESSION_INVALID"),
}


@pytest.mark.parametrize(("statement", "reason"), WITHDRAWN.values(), ids=WITHDRAWN)
async def test_what_is_withdrawn_ends_its_open_streams(
    database_url: str, monkeypatch: pytest.MonkeyPatch, statement: str, reason: str
):
    monkeypatch.setattr(withdrawals, "LOOK_SECONDS", 0.1)
    settings = settings_for(database_url)
    async with started_server(settings) as server, AsyncExitStack() as stack:
        user = await stack.enter_async_context(server.client())
        made = await user.stub.CreateTicket(sync_pb2.CreateTicketRequest(), metadata=user.metadata)
        guest = await stack.enter_async_context(Client(server.address, {"x-ticket": made.ticket}))
        streams = [user.stream("todo", follow=True), guest.stream("todo", follow=True)]
        if reason == "KEY_INVALID":
            service = await stack.enter_async_context(server.service())
            streams.append(service.stream(follow=True, all_users=True))
        for stream in streams:
            assert (await stream.read()).caught_up
        async with opened_engines(settings) as engines, engines.writing.begin() as connection:
            await connection.execute(text(statement))
        for stream in streams:
            told = await refused(stream.read())
            assert (told.reason, told.metadata["cause"]) == (reason, "withdrawn")


async def test_a_reader_stuck_in_its_first_message_is_told_or_cut_off(sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(observer, "_TELL_SECONDS", 0.2)
    async with started_server(settings_for(sqlite_url, slow_reader_seconds=0.2)) as server, server.client() as user:
        await user.push(*[change("create", f"e{at}", {"x": "x" * 200_000}) for at in range(10)])
        async with http2.connected(server.address, window=100) as stuck:
            calls = [await stuck.begin("StreamPull", dict(user.metadata)) for _ in range(10)]
            for call in calls:
                await stuck.send(call, b"\x20\x01")
            assert {await stuck.status_of(call) for call in calls} == {"ended"}
        assert (await user.pull("todo", page_size=1)).changes


async def test_connections_of_strangers_make_room(database_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "_STRANGER_SECONDS", 0)
    monkeypatch.setattr(connections, "_LOOK_SECONDS", 0.1)
    async with started_server(settings_for(database_url, max_connections=16)) as server, server.client() as user:
        await user.push(change())
        stream = user.stream("todo", follow=True)
        await stream.read()
        async with silent(server.address, 14) as strangers:
            await until(lambda: sum(reader.at_eof() for reader in strangers) >= 7)
            async with server.client("bob") as other:
                assert not (await other.pull()).changes
        await user.push(change("create", "e2"))
        assert [one.entity_id for one in (await stream.read()).changes] == ["e2"]


async def test_no_more_connections_are_open_than_descriptors_allow(database_url: str):
    async with (
        started_server(settings_for(database_url, max_connections=8)) as server,
        server.client() as user,
    ):
        await user.push(change())
        async with silent(server.address, 30) as strangers:
            await until(lambda: sum(reader.at_eof() for reader in strangers) >= 20)
            await user.push(change("create", "e2"))


@asynccontextmanager
async def silent(address: str, number: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Open connections that say nothing."""
    host, _, port = address.rpartition(":")
    opened = [await asyncio.open_connection(host, int(port)) for _ in range(number)]
    tasks = [asyncio.create_task(_to_the_end(reader)) for reader, _ in opened]
    try:
        yield [reader for reader, _ in opened]
    finally:
        for task, (_, writer) in zip(tasks, opened, strict=True):
            task.cancel()
            with closing(writer):
                pass


async def _to_the_end(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(1024):
            pass
    except ConnectionError:
        reader.feed_eof()
