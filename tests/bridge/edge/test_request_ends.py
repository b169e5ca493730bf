"""Where a request ends, over raw sockets: parser and application agree on it, whatever its head offers."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from bridge.bridged import Bridged, bridge_on

NOWHERE = "127.0.0.1:1"
PROBE = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
OFFERS = [
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",  # JDK, curl --http2
    b"Upgrade: websocket\r\nConnection: upgrade\r\n",  # nginx with the usual lines for websockets
    b"Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2, foo/2\r\n",
]


@pytest.fixture(scope="module")
async def address() -> AsyncIterator[str]:
    async with bridge_on(NOWHERE) as bound:
        yield bound


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def answers(address: str, *pieces: bytes) -> list[int]:
    """Send pieces, each when the one before has gone out, and return the statuses of all answers until the end."""
    async with connected(address) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        received = await asyncio.wait_for(read_all(reader), 20)
    return [int(answer[:3]) for answer in received.split(b"HTTP/1.1 ")[1:]]


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Read to the end, or to a reset."""
    received = b""
    with suppress(ConnectionResetError):
        while piece := await reader.read(65536):
            received += piece
    return received


def push_of(bridged: Bridged, user: str, offer: bytes, *, chunked: bool = False) -> tuple[bytes, bytes]:
    """Return head and body of a push."""
    change = {"entity_type": "todo", "entity_id": "e", "action": "create", "data": {}}
    body = json.dumps({"changes": [{**change, "client_timestamp": "2026-01-01T00:00:00Z"}]}).encode()
    length = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % len(body)
    head = b"POST /client/sync HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\nauthorization: Bearer %s\r\n%s%s\r\n\r\n" % (
        bridged.server.project.client_key.encode(),
        bridged.server.project.token(user).encode(),
        offer,
        length,
    )
    return head, b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body


@pytest.mark.parametrize("apart", [False, True], ids=["in one piece", "head and body apart"])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("offer", OFFERS, ids=["h2c", "websocket", "others"])
async def test_a_push_that_offers_another_protocol_is_served(
    bridged: Bridged, user: str, offer: bytes, chunked: bool, apart: bool
) -> None:
    address = bridged.http.base_url.netloc.decode()
    head, body = push_of(bridged, user, offer, chunked=chunked)
    pieces = (head, body, LAST) if apart else (head + body + LAST,)
    assert await answers(address, *pieces) == [200, 200]
    async with bridged.server.client(user) as client:
        assert [one.entity_id for one in await client.pull_all("todo")] == ["e"]


@pytest.mark.parametrize("offer", OFFERS, ids=["h2c", "websocket", "others"])
async def test_a_body_is_never_run_as_a_request(address: str, offer: bytes) -> None:
    head = b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + offer + b"content-length: %d\r\n\r\n" % len(PROBE)
    assert len(await answers(address, head, PROBE, LAST)) <= 2


@pytest.mark.parametrize("offer", OFFERS, ids=["h2c", "websocket", "others"])
async def test_offers_in_a_row_are_each_ignored(address: str, offer: bytes) -> None:
    probe = b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + offer + b"\r\n"
    assert await answers(address, probe * 3 + LAST) == [200] * 4
    assert await answers(address, *[bytes([byte]) for byte in probe], LAST) == [200] * 2


async def test_connect_is_refused_and_ends_the_connection(address: str) -> None:
    assert await answers(address, b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n" + PROBE) == [400]


async def test_a_trailer_is_no_header(bridged: Bridged, user: str) -> None:
    head, body = push_of(bridged, user, b"", chunked=True)
    key = b"x-api-key: " + bridged.server.project.client_key.encode()
    trailer = body[:-2] + key + b"\r\n\r\n"
    address = bridged.http.base_url.netloc.decode()
    assert await answers(address, head.replace(key + b"\r\n", b""), trailer, LAST) in ([401], [401, 200])
    assert await answers(address, head, trailer, LAST) == [200, 200]


async def test_trailers_and_extensions_without_end_end_the_connection(bridged: Bridged, user: str) -> None:
    address = bridged.http.base_url.netloc.decode()
    head, body = push_of(bridged, user, b"", chunked=True)
    for endless in (body[:-2] + b"a: " + b"b" * 400_000, b"1;a=" + b"b" * 400_000):
        assert await answers(address, head, endless) == [400]


@pytest.mark.parametrize("garbage", [b"garbage\r\n\r\n", b"GET / HTTP/1.1\r\nhost : x\r\n\r\n", b"\0" * 100])
async def test_what_is_no_request_never_cuts_into_the_answer_before_it(address: str, garbage: bytes) -> None:
    assert await answers(address, PROBE + garbage + PROBE) == [200]
    assert await answers(address, garbage + PROBE) == [400]


async def test_requests_wait_for_their_turn_up_to_a_bound(address: str) -> None:
    assert await answers(address, PROBE * 20 + LAST) == [200] * 21
    assert await answers(address, PROBE * 5_000) == [200]


async def test_a_stream_with_a_request_behind_it_ends_with_its_client(bridged: Bridged, user: str) -> None:
    head, _ = push_of(bridged, user, b"")
    follow = head.replace(b"POST /client/sync", b"GET /client/sync/stream?entity_type=todo").replace(
        b"content-length", b"x-no-length"
    )
    async with bridge_on(bridged.server, limit_streams=1) as address:
        async with connected(address) as (reader, writer):
            writer.write(follow + PROBE)
            await asyncio.wait_for(reader.readuntil(b"\n\n"), 20)
        await _opened(address, follow)


async def _opened(address: str, follow: bytes) -> None:
    async with asyncio.timeout(20):
        while True:
            async with connected(address) as (reader, writer):
                writer.write(follow)
                if (await reader.readline()).startswith(b"HTTP/1.1 200"):
                    return


async def test_an_answer_before_the_end_of_a_body_closes_the_connection(address: str) -> None:
    head = b"POST /client/nothing HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n" % len(PROBE)
    for expect in (b"", b"expect: 100-continue\r\n"):
        async with connected(address) as (reader, writer):
            writer.write(head + expect + b"\r\n")
            answer = await asyncio.wait_for(reader.read(), 20)
        assert answer.startswith(b"HTTP/1.1 404")
        assert b"connection: close" in answer
