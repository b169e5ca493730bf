"""One process of our own load generator: reads what to do from standard input, prints what it has done."""

import asyncio
import itertools
import json
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Any, Final

import uvloop
from grpc import aio

from bench.load import NEW_ID, Done, LoadFailed

Call = Callable[[], Awaitable[int]]
"""Makes one call and returns how many bytes its answer had."""

_LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_numbers = itertools.count()


async def grpc_caller(stack: AsyncExitStack, work: dict[str, Any], callers: list[Any]) -> Call:
    """Connect; the callers take turns."""
    channel = await stack.enter_async_context(
        aio.insecure_channel(work["address"], options=[("grpc.use_local_subchannel_pool", 1)])
    )
    path = f"/syncline.v1.SyncService/{work['path']}"
    body = bytes.fromhex(work["body"])
    unary: Any = channel.unary_unary(path)
    streamed: Any = channel.unary_stream(path)
    turns = itertools.cycle(tuple(map(tuple, headers)) for headers in callers)

    async def one() -> int:
        return len(await unary(body, metadata=next(turns)))

    async def stream() -> int:
        return sum([len(message) async for message in streamed(body, metadata=next(turns))])

    return stream if work["kind"] == "stream" else one


async def http_caller(stack: AsyncExitStack, work: dict[str, Any], headers: list[Any]) -> Call:
    host, _, port = work["address"].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    stack.callback(writer.close)
    template = bytes.fromhex(work["body"])
    lines = [f"{'POST' if template else 'GET'} {work['path']} HTTP/1.1", f"host: {work['address']}"]
    lines += [f"{name}: {value}" for name, value in headers]
    head = "\r\n".join([*lines, "content-type: application/json"]).encode()

    async def one() -> int:
        body = template.replace(NEW_ID.encode(), f"{os.getpid()}-{time.time_ns()}-{next(_numbers)}".encode())
        writer.write(b"%b\r\ncontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        answer = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(answer)
        if length is None or not answer.startswith(b"HTTP/1.1 200"):
            raise LoadFailed(answer)
        return len(await reader.readexactly(int(length[1])))

    return one


async def run(work: dict[str, Any]) -> Done:
    """Keep so many calls of each caller in flight until the time is up; calls in flight then are waited for."""
    async with AsyncExitStack() as stack:
        calls: list[Call] = []
        for callers in work["connections"]:
            if work["kind"] == "http":
                calls.append(await http_caller(stack, work, callers[0]))
            else:
                calls += [await grpc_caller(stack, work, callers)] * work["in_flight_each"]
        started_at = time.perf_counter()
        # A stream is read once.
        ends_at = started_at + (0 if work["kind"] == "stream" else work["seconds"])

        async def repeat(call: Call) -> tuple[int, int]:
            made = received = 0
            while made == 0 or time.perf_counter() < ends_at:
                received += await call()
                made += 1
            return made, received

        counts = await asyncio.gather(*(repeat(call) for call in calls))
        seconds = time.perf_counter() - started_at
    made = sum(count for count, _ in counts)
    return Done(made, made, seconds, sum(received for _, received in counts))


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(run(json.load(sys.stdin))))))
