"""Live streams: what an idle one costs in the server's memory, and the time from a commit to its delivery.

A commit is seen by the answer to its push.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

from grpc import aio

from bench import messages
from bench.measure import Row, Wanted
from bench.messages import Headers
from bench.plan import Bench
from bench.processes import Process, server
from syncline.v1 import sync_pb2, sync_pb2_grpc

_STREAMS_PER_CHANNEL: Final = 100
_ALONE: Final = [("grpc.use_local_subchannel_pool", 1)]
"""Each channel has a connection of its own."""
_PAUSE_SECONDS: Final = 0.02
_LOOK_SECONDS: Final = 0.001
_MOST_SECONDS: Final = 60
_KIB: Final = 1024

Credentials = Callable[[str], Headers]


class Streams:
    """Open streams, and the times at which each revision was delivered."""

    def __init__(self, address: str, credentials: Credentials) -> None:
        self._address = address
        self._credentials = credentials
        self.delivered: dict[int, list[float]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._ready = 0

    async def open(self, stack: AsyncExitStack, users: Sequence[str]) -> None:
        """Open a stream for each user, and wait until all have caught up."""
        for start in range(0, len(users), _STREAMS_PER_CHANNEL):
            channel = await stack.enter_async_context(aio.insecure_channel(self._address, options=_ALONE))
            stub = sync_pb2_grpc.SyncServiceStub(channel)
            for user in users[start : start + _STREAMS_PER_CHANNEL]:
                self._tasks.append(asyncio.create_task(self._follow(stub, self._credentials(user))))
        async with asyncio.timeout(_MOST_SECONDS):
            while self._ready < len(users):
                await asyncio.sleep(0.05)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def _follow(self, stub: Any, metadata: Headers) -> None:
        request = sync_pb2.StreamPullRequest(follow=True, after_revision=2**62)
        async for message in stub.StreamPull(request, metadata=metadata):
            self._ready += message.caught_up
            for change in message.changes:
                self.delivered.setdefault(change.revision, []).append(time.perf_counter())


async def idle_and_alone(bench: Bench) -> list[Row]:
    """Measure idle streams of as many users, and deliveries on one of them."""
    streams = bench.plan.live_streams
    project = await bench.databases.project("sqlite")
    async with server(project) as process, AsyncExitStack() as stack:
        opened = Streams(process.address, project.credentials)
        idle_kib = await open_idle(opened, stack, process, project.credentials, streams)
        delays = await delays_ms(opened, stack, process, project.credentials("user0"), 1, bench.plan.live_pushes)
        await opened.close()
    return [
        Row(f"{streams:,} idle live streams, each", "", Wanted(24, "at most"), [idle_kib], "KiB", load="python"),
        _p99(f"commit to delivery, one of {streams:,} live streams, p99", Wanted(20, "at most"), delays),
    ]


async def one_user(bench: Bench) -> list[Row]:
    """Measure deliveries to many streams of one user."""
    streams = bench.plan.live_streams // 4
    project = await bench.databases.project("sqlite")
    async with server(project) as process, AsyncExitStack() as stack:
        opened = Streams(process.address, project.credentials)
        await opened.open(stack, ["one"] * streams)
        pushes = bench.plan.live_pushes
        delays = await delays_ms(opened, stack, process, project.credentials("one"), streams, pushes)
        await opened.close()
    return [_p99(f"commit to delivery, {streams:,} live streams of one user, p99", None, delays)]


async def many_projects(bench: Bench, kind: str) -> list[Row]:
    """Measure what idle streams take of a core, each of a project of its own."""
    projects = await bench.databases.projects(kind, bench.plan.live_projects)
    async with server(projects[0]) as process, AsyncExitStack() as stack:
        for first in range(0, len(projects), _STREAMS_PER_CHANNEL):
            channel = await stack.enter_async_context(aio.insecure_channel(process.address, options=_ALONE))
            stub = sync_pb2_grpc.SyncServiceStub(channel)
            for project in projects[first : first + _STREAMS_PER_CHANNEL]:
                stream = stub.StreamPull(sync_pb2.StreamPullRequest(follow=True), metadata=project.credentials("user"))
                stack.callback(stream.cancel)
                await stream.read()
        before, began_at = process.cpu_seconds(), time.perf_counter()
        await asyncio.sleep(bench.plan.idle_seconds)
        share = 100 * (process.cpu_seconds() - before) / (time.perf_counter() - began_at)
    work = f"{len(projects):,} idle live streams, each of a project, {kind}"
    return [Row(work, "", Wanted(2, "at most"), [share], "% of a core", load="python")]


async def open_idle(
    streams: Streams, stack: AsyncExitStack, process: Process, credentials: Credentials, count: int
) -> float:
    """Open streams of so many users; returns what one costs in the server's memory, KiB."""
    channel = await stack.enter_async_context(aio.insecure_channel(process.address))
    stub = sync_pb2_grpc.SyncServiceStub(channel)
    await stub.Pull(sync_pb2.PullRequest(), metadata=credentials("warm-up"))
    before = process.rss_mib()
    await streams.open(stack, [f"user{number}" for number in range(count)])
    return (process.rss_mib() - before) * _KIB / count


async def delays_ms(
    streams: Streams, stack: AsyncExitStack, process: Process, metadata: Headers, copies: int, pushes: int
) -> list[float]:
    """Push one change after the other; returns how long after the answer each copy came, ms."""
    channel = await stack.enter_async_context(aio.insecure_channel(process.address))
    stub = sync_pb2_grpc.SyncServiceStub(channel)
    delays: list[float] = []
    for _ in range(pushes):
        answer = await stub.Push(messages.push(1), metadata=metadata)
        answered_at = time.perf_counter()
        revision = answer.results[0].change.revision
        async with asyncio.timeout(_MOST_SECONDS):
            while len(streams.delivered.get(revision, ())) < copies:
                await asyncio.sleep(_LOOK_SECONDS)
        delays.extend(max(0.0, (at - answered_at) * 1000) for at in streams.delivered[revision])
        await asyncio.sleep(_PAUSE_SECONDS)
    return delays


def p99(delays: Sequence[float]) -> float:
    """Return the delay that one in a hundred exceeds."""
    return statistics.quantiles(delays, n=100)[98]


def _p99(work: str, wanted: Wanted | None, delays: Sequence[float]) -> Row:
    return Row(work, "", wanted, [p99(delays)], "ms", load="python")
