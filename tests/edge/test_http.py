"""Strangers, and users who take too much, at the HTTP door: what they get, and what others notice of it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
import pytest
from sqlalchemy import text

from bridge.bridged import Bridged, bridged_on
from harness import Server, change, opened_engines, settings_for, started_server
from syncline_bridge.edge import bodies
from syncline_server.identity import withdrawals
from waiting import until

MIB = 1024 * 1024
SYNC = "/client/sync"
STREAM = f"{SYNC}/stream?entity_type=todo"
STRANGER = {"X-Api-Key": "sl_client_000000000000_0", "Authorization": "Bearer x"}


@pytest.fixture(autouse=True)
def short_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections of these tests stay open on purpose: nobody has to wait for what they might send."""
    monkeypatch.setattr(bodies, "_LINGER_SECONDS", 0.1)


@pytest.fixture
async def served(sqlite_url: str) -> AsyncIterator[Server]:
    async with started_server(settings_for(sqlite_url)) as server:
        yield server


def headers_of(server: Server, user: str = "ada") -> dict[str, str]:
    return {"X-Api-Key": server.project.client_key, "Authorization": f"Bearer {server.project.token(user)}"}


def head(method: str, path: str, headers: dict[str, str], length: int | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: x", *(f"{name}: {value}" for name, value in headers.items())]
    lines += [] if length is None else [f"content-length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connections(
    bridged: Bridged, number: int, said: bytes = b"", *, takes: int = 1 << 16
) -> AsyncIterator[list[Opened]]:
    """Open connections that have said so much, and take so many bytes at most before they read."""
    host, port = bridged.http.base_url.host, bridged.http.base_url.port
    opened = []
    for _ in range(number):
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes)
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, (host, port))
        opened.append(await asyncio.open_connection(sock=made, limit=takes))
        opened[-1][1].write(said)
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.close()


async def status(reader: asyncio.StreamReader) -> int:
    """Return the status of the next answer; 0: the connection ends without one."""
    async with asyncio.timeout(20):
        try:
            line = await reader.readline()
        except ConnectionError:
            return 0
    return int(line.split()[1]) if line else 0


async def pulls(bridged: Bridged, user: str = "bob") -> int:
    query = {"entity_type": "todo"}
    return (await bridged.http.get(SYNC, params=query, headers=headers_of(bridged.server, user))).status_code


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"POST /client/sync HTTP/1.1\r\nhost:",
        head("POST", SYNC, STRANGER, 100),
        head("POST", SYNC, {}, 100) + b"{",
    ],
    ids=["nothing", "half a head", "a stranger's head", "half a body"],
)
async def test_connections_that_wait_hold_no_place(served: Server, said: bytes):
    async with bridged_on(served, limit_concurrency=2) as bridged, connections(bridged, 30, said):
        assert [await pulls(bridged) for _ in range(3)] == [200] * 3


async def test_slow_bodies_of_users_hold_no_place(served: Server):
    said = head("POST", SYNC, headers_of(served), 100) + b"{"
    async with bridged_on(served, limit_concurrency=1) as bridged, connections(bridged, 10, said):
        assert [await pulls(bridged) for _ in range(3)] == [200] * 3


async def test_who_takes_an_answer_slowly_holds_no_place(served: Server):
    async with served.client("ada") as ada:
        for at in range(10):
            await ada.push(change("create", f"e{at}", {"x": "x" * 200_000}))
    said = head("GET", f"{SYNC}?entity_type=todo", headers_of(served))
    async with (
        bridged_on(served, limit_concurrency=1, compress_answers=False, slow_client_seconds=60) as bridged,
        connections(bridged, 1, said, takes=4096) as [(reader, _)],
    ):
        assert await status(reader) == 200
        assert [await pulls(bridged) for _ in range(3)] == [200] * 3


async def test_a_stranger_is_answered_on_the_head_and_nothing_of_the_body_is_parsed(served: Server):
    async with bridged_on(served) as bridged:
        async with connections(bridged, 20, head("POST", SYNC, STRANGER, 4 * MIB)) as opened:
            assert {await status(reader) for reader, _ in opened} == {401}
        response = await bridged.http.post(SYNC, content=b"{" * MIB, headers=STRANGER)
        assert (response.status_code, response.headers["connection"]) == (401, "close")
        good = await bridged.http.post(SYNC, content=b"{" * 1000, headers=headers_of(served))
        assert good.status_code == 400


async def test_a_refusal_is_remembered(database_url: str):
    async with AsyncExitStack() as stack:
        async with started_server(settings_for(database_url)) as server:
            bridged = await stack.enter_async_context(bridged_on(server))
            assert (await bridged.http.post(SYNC, json={}, headers=STRANGER)).status_code == 401
        # Nobody is there to be asked any more.
        for answer in (
            await bridged.http.post(SYNC, json={}, headers=STRANGER),
            await bridged.http.get(f"{SYNC}?entity_type=todo", headers=STRANGER),
        ):
            assert answer.status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/healthz", 200),
        ("POST", "/healthz", 405),
        ("POST", "/client/nothing", 404),
        ("PUT", SYNC, 405),
        ("GET", SYNC, 413),
        ("POST", f"{SYNC}/ticket", 413),
        ("GET", STREAM, 413),
    ],
)
async def test_a_body_that_nobody_expects_is_not_read(served: Server, method: str, path: str, answer: int):
    async with bridged_on(served) as bridged:
        said = head(method, path, headers_of(served), 4 * MIB)
        async with connections(bridged, 1, said) as [(reader, _)]:
            assert await status(reader) == answer
            rest = await asyncio.wait_for(reader.read(), 20)
            assert b"connection: close" in rest


async def test_a_small_body_where_none_is_read_does_not_matter(served: Server):
    async with bridged_on(served) as bridged:
        made = await bridged.http.post(f"{SYNC}/ticket", json={}, headers=headers_of(served))
        assert made.status_code == 200


async def test_bodies_are_bounded_together_and_for_each_caller(served: Server):
    async with bridged_on(served, limit_body_bytes=4 * MIB) as bridged:
        greedy = head("POST", SYNC, headers_of(served), MIB) + b" " * (MIB - 1)
        async with connections(bridged, 6, greedy) as opened:
            refused = [asyncio.create_task(status(reader)) for reader, _ in opened]
            await until(lambda: sum(task.done() for task in refused) >= 4)
            assert {task.result() for task in refused if task.done()} == {503}
            large = json.dumps({"changes": [], "x": "x" * 100_000})
            other = await bridged.http.post(SYNC, content=large, headers=headers_of(served, "bob"))
            assert other.status_code != 503
            for task in refused:
                task.cancel()


async def test_connections_without_a_request_make_room_for_others(served: Server):
    async with bridged_on(served, limit_connections=16) as bridged:
        stream = head("GET", STREAM, headers_of(served))
        async with connections(bridged, 1, stream) as [(reader, _)]:
            assert await status(reader) == 200
            async with connections(bridged, 60) as silent:
                async with httpx2.AsyncClient(base_url=bridged.http.base_url) as newcomer:
                    answer = await newcomer.get(f"{SYNC}?entity_type=todo", headers=headers_of(served))
                    assert answer.status_code == 200
                assert 0 in {await status(one) for one, _ in silent[:20]}
            async with served.client("ada") as ada:
                await ada.push(change("create", "e1"))
            await asyncio.wait_for(reader.readuntil(b'"e1"'), 20)


async def test_so_many_streams_are_open_and_no_more_even_when_all_come_at_once(served: Server):
    async with (
        bridged_on(served, limit_streams=5, limit_concurrency=1) as bridged,
        connections(bridged, 40, head("GET", STREAM, headers_of(served))) as opened,
    ):
        statuses = await asyncio.gather(*(status(reader) for reader, _ in opened))
        assert sorted(statuses) == [200] * 5 + [503] * 35
        assert await pulls(bridged) == 200


async def test_a_stream_whose_client_takes_nothing_ends_with_its_connection(served: Server):
    async with (
        served.client("ada") as ada,
        bridged_on(served, limit_streams=1, slow_client_seconds=0.3) as bridged,
        connections(bridged, 1, head("GET", STREAM, headers_of(served)), takes=4096) as [(reader, _)],
    ):
        assert await status(reader) == 200
        for at in range(20):
            await ada.push(*[change("create", f"e{at}-{number}", {"x": "x" * 200_000}) for number in range(2)])

        async def is_free() -> bool:
            async with connections(bridged, 1, head("GET", STREAM, headers_of(served, "bob"))) as [(other, _)]:
                return await status(other) == 200

        await until(is_free)


async def test_what_is_withdrawn_ends_its_event_streams(database_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(withdrawals, "LOOK_SECONDS", 0.1)
    settings = settings_for(database_url)
    async with (
        started_server(settings) as server,
        bridged_on(server) as bridged,
        connections(bridged, 1, head("GET", STREAM, headers_of(server))) as [(reader, _)],
    ):
        await asyncio.wait_for(reader.readuntil(b"caught_up"), 20)
        async with opened_engines(settings) as engines, engines.writing.begin() as connection:
            await connection.execute(text("UPDATE project_keys SET revoked_at_us = 1"))
        told = await asyncio.wait_for(reader.readuntil(b"withdrawn"), 20)
        assert b"event: closed" in told
