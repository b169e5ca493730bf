"""The proxy does what its name for it says."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from faults.proxy import Proxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy before a server that sends back what it gets, and then an end for an end."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(1000):
                writer.write(chunk)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, Proxy(f"{host}:{port}") as opened:
        yield opened


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Streams]:
    host, port = proxy.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        yield reader, writer
    finally:
        writer.close()


async def nothing_comes(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(0.1):
            await reader.readexactly(1)
    except TimeoutError:
        return True
    return False


async def test_it_passes_bytes_and_ends_on(proxy: Proxy):
    async with connected(proxy) as (reader, writer):
        writer.write_eof()
        assert await reader.read() == b""
    assert proxy.accepted == 1


async def test_a_cut_is_an_end(proxy: Proxy):
    async with connected(proxy) as (reader, _):
        proxy.cut()
        assert await reader.read() == b""


async def test_a_reset_is_an_error(proxy: Proxy):
    async with connected(proxy) as (reader, _):
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_a_reset_after_some_bytes_lets_just_these_through(proxy: Proxy):
    async with connected(proxy) as (reader, writer):
        proxy.weather.reset_after_bytes = 3
        writer.write(b"and more")
        assert await reader.readexactly(3) == b"and"
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_a_half_closed_connection_still_takes_bytes(proxy: Proxy):
    async with connected(proxy) as (reader, writer):
        proxy.half_close()
        assert await reader.read() == b""
        writer.write(b"still here")
        await writer.drain()


@pytest.mark.parametrize(("up", "down"), [(True, True), (True, False), (False, True)])
async def test_what_a_black_hole_took_comes_when_it_heals(proxy: Proxy, up: bool, down: bool):
    async with connected(proxy) as (reader, writer):
        proxy.black_hole(up=up, down=down)
        writer.write(b"later")
        assert await nothing_comes(reader)
        proxy.heal()
        assert await reader.readexactly(5) == b"later"


async def test_what_is_forgotten_stays_so_and_a_new_connection_works(proxy: Proxy):
    async with connected(proxy) as (reader, writer):
        proxy.forget()
        proxy.heal()
        writer.write(b"never")
        assert await nothing_comes(reader)
        async with connected(proxy):
            pass


async def test_delay_and_throttle_take_their_time(proxy: Proxy):
    async with connected(proxy) as (reader, writer):
        proxy.weather.delay_seconds, proxy.weather.bytes_per_second = 0.05, 100
        started = time.monotonic()
        writer.write(b"0123456789")
        await reader.readexactly(10)
        assert time.monotonic() - started >= 2 * (0.05 + 0.1)


async def test_a_server_that_is_not_there_is_a_broken_connection(proxy: Proxy):
    proxy.target = "127.0.0.1:1"
    host, port = proxy.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_a_client_that_only_listens_hears_that_the_server_broke_off():
    broken = asyncio.Event()

    async def break_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await broken.wait()
        ends = writer.get_extra_info("socket")
        ends.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server = await asyncio.start_server(break_off, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, Proxy(f"{host}:{port}") as proxy, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*proxy.address.split(":"))
        broken.set()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
