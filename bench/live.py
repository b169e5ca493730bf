"""Measures live streams: `make bench-live`.

Prints what an idle stream costs in the server's memory, and the time from the commit of a push (its answer) to the
delivery on a stream: of one user while all others idle, and on many streams of one user.
"""

import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop
from grpc import aio

from syncline.v1 import sync_pb2, sync_pb2_grpc
from syncline_server import admin
from syncline_server.rpc.auth import issue_token
from syncline_server.settings import ServerSettings

STREAMS = 2000
STREAMS_OF_ONE_USER = 500
STREAMS_PER_CHANNEL = 100
PUSHES = 200
PAUSE_SECONDS = 0.02
PORT = int(os.environ.get("BENCH_PORT", "50951"))

Metadata = tuple[tuple[str, str], ...]


def rss_kib(pid: int) -> int:
    """Return a process's resident memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


class Streams:
    """Open streams, and the time at which each received what was pushed last."""

    def __init__(self, metadata_of: Any) -> None:
        self._metadata_of = metadata_of
        self.delivered: dict[int, list[float]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._ready = 0

    async def open(self, stack: AsyncExitStack, users: list[str]) -> None:
        for start in range(0, len(users), STREAMS_PER_CHANNEL):
            channel = await stack.enter_async_context(
                aio.insecure_channel(f"127.0.0.1:{PORT}", options=[("grpc.use_local_subchannel_pool", 1)])
            )
            stub = sync_pb2_grpc.SyncServiceStub(channel)
            for user in users[start : start + STREAMS_PER_CHANNEL]:
                self._tasks.append(asyncio.create_task(self._follow(stub, self._metadata_of(user))))
        while self._ready < len(users):
            await asyncio.sleep(0.05)

    async def _follow(self, stub: Any, metadata: Metadata) -> None:
        request = sync_pb2.StreamPullRequest(follow=True, after_revision=2**62)
        async for message in stub.StreamPull(request, metadata=metadata):
            self._ready += message.caught_up
            for change in message.changes:
                self.delivered.setdefault(change.revision, []).append(time.perf_counter())

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)


async def delays_ms(streams: Streams, stub: Any, metadata: Metadata, copies: int) -> list[float]:
    """Push one change after the other; return how long after the answer each copy came, in ms."""
    delays: list[float] = []
    for number in range(PUSHES):
        change = sync_pb2.Change(
            entity_type="bench", entity_id=f"e{number}", action=sync_pb2.ACTION_CREATE, data=b'{"n":1}'
        )
        answer = await stub.Push(sync_pb2.PushRequest(changes=[change]), metadata=metadata)
        answered_at = time.perf_counter()
        revision = answer.results[0].change.revision
        while len(streams.delivered.get(revision, ())) < copies:
            await asyncio.sleep(0.001)
        delays.extend(max(0.0, (at - answered_at) * 1000) for at in streams.delivered[revision])
        await asyncio.sleep(PAUSE_SECONDS)
    return delays


def report(label: str, delays: list[float]) -> None:
    cuts = statistics.quantiles(delays, n=100)
    print(f"{label}: commit to delivery p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms ({len(delays)} deliveries)")


@asynccontextmanager
async def server(settings: ServerSettings) -> AsyncIterator[int]:
    """Run a server as a process of its own; yields its process id."""
    environment = {
        **os.environ,
        "SYNCLINE_DATA_DIR": str(settings.data_dir),
        "SYNCLINE_GRPC_ADDRESS": f"127.0.0.1:{PORT}",
        "SYNCLINE_LOG_LEVEL": "error",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "syncline_server", "server", env=environment)
    try:
        async with asyncio.timeout(30), aio.insecure_channel(f"127.0.0.1:{PORT}") as channel:
            await channel.channel_ready()
        yield process.pid
    finally:
        process.terminate()
        await process.wait()


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = ServerSettings(data_dir=Path(folder))
        made = await admin.create_project(settings, "bench")
        secret = (await admin.project(settings, "bench")).session_secret

        def metadata_of(user: str) -> Metadata:
            token = issue_token(secret, user, ttl_seconds=3600)
            return (("x-api-key", made.client_key.text), ("authorization", f"Bearer {token}"))

        async with server(settings) as pid, AsyncExitStack() as stack:
            channel = await stack.enter_async_context(aio.insecure_channel(f"127.0.0.1:{PORT}"))
            stub = sync_pb2_grpc.SyncServiceStub(channel)
            await stub.Pull(sync_pb2.PullRequest(), metadata=metadata_of("warm-up"))
            before = rss_kib(pid)
            streams = Streams(metadata_of)
            await streams.open(stack, [f"user{number}" for number in range(STREAMS)])
            print(f"{STREAMS} idle streams: {(rss_kib(pid) - before) / STREAMS:.1f} KiB of server memory each")
            report(f"one of {STREAMS} streams", await delays_ms(streams, stub, metadata_of("user0"), copies=1))
            await streams.close()
            many = Streams(metadata_of)
            await many.open(stack, ["one"] * STREAMS_OF_ONE_USER)
            report(
                f"{STREAMS_OF_ONE_USER} streams of one user",
                await delays_ms(many, stub, metadata_of("one"), copies=STREAMS_OF_ONE_USER),
            )
            await many.close()


if __name__ == "__main__":
    uvloop.run(main())
