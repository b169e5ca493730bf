"""A herd of followed streams, and pushers beside it that must not notice when it is driven off."""

import asyncio
import resource
import statistics
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import grpc
from grpc import aio

from harness import Project, change
from syncline.v1.sync_pb2 import PushRequest
from syncline.v1.sync_pb2_grpc import SyncServiceStub
from syncline_client import SyncClient
from syncline_client.channel import open_channel
from waiting import until

RESUME_SECONDS = 30
PUSHERS = 8
PUSH_PAUSE_SECONDS = 0.05
RETRY_PAUSE_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 60


@dataclass(eq=False)
class Watcher:
    """One stream, with all that it has brought."""

    user: str
    ids: list[str] = field(default_factory=list)
    seen_at: dict[str, float] = field(default_factory=dict)
    caught_up: bool = False

    async def watch(self, client: SyncClient) -> None:
        async for batch in client.follow():
            now = time.monotonic()
            self.caught_up = True
            for one in batch.changes:
                self.ids.append(one.entity_id)
                self.seen_at[one.entity_id] = now


@dataclass(frozen=True)
class Pusher:
    """A client that sees every failure: it repeats nothing by itself."""

    stub: SyncServiceStub
    metadata: tuple[tuple[str, str], ...]


@dataclass
class Pushes:
    """What became of the pushes: none may fail, and while the server is down they are sent again."""

    server_is_down: bool = False
    acknowledged: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    failures: list[str] = field(default_factory=list)
    retries: int = 0
    slowest_seconds: float = 0.0

    @property
    def count(self) -> int:
        return sum(map(len, self.acknowledged.values()))

    async def go_on(self, client: Pusher, user: str) -> None:
        """Push one change after the other, for ever."""
        while True:
            await self.push(client, user, f"c-{uuid.uuid4().hex}")
            await asyncio.sleep(PUSH_PAUSE_SECONDS)

    async def push(self, client: Pusher, user: str, entity_id: str) -> None:
        sent = change("create", entity_id, {})
        started = time.monotonic()
        while True:
            try:
                await client.stub.Push(PushRequest(changes=[sent]), metadata=client.metadata, timeout=30)
            except aio.AioRpcError as error:
                if not (self.server_is_down and error.code() is grpc.StatusCode.UNAVAILABLE):
                    self.failures.append(f"{error.code()}: {error.details()}")
                    return
                self.retries += 1
                await asyncio.sleep(RETRY_PAUSE_SECONDS)
                continue
            self.acknowledged[user].add(entity_id)
            self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - started)
            return


@dataclass
class Herd:
    """Many streams of a few users, and their pushers, which have connections of their own."""

    watchers: Sequence[Watcher]
    pushes: Pushes
    clients: dict[str, Pusher]

    async def caught_up(self) -> None:
        """Wait until all streams are there."""
        within_seconds = LONGEST_WAIT_SECONDS + len(self.watchers) / 10
        await until(lambda: all(watcher.caught_up for watcher in self.watchers), within_seconds=within_seconds)

    async def resumed(self, since: float) -> Sequence[float]:
        """Push a mark to each user; return when each stream brought it, in seconds since then."""
        mark = f"m-{uuid.uuid4().hex}"
        await asyncio.gather(*(self.pushes.push(client, user, mark) for user, client in self.clients.items()))
        await until(
            lambda: all(mark in watcher.seen_at for watcher in self.watchers), within_seconds=RESUME_SECONDS * 2
        )
        return [watcher.seen_at[mark] - since for watcher in self.watchers]

    async def check(self) -> None:
        """Check that every stream brings all that was acknowledged to its user, once, in the order of the others."""
        await until(
            lambda: all(self.pushes.acknowledged[watcher.user] <= watcher.seen_at.keys() for watcher in self.watchers),
            within_seconds=LONGEST_WAIT_SECONDS,
        )
        first: dict[str, list[str]] = {}
        for watcher in self.watchers:
            assert len(set(watcher.ids)) == len(watcher.ids), "something came twice"
            shorter = min(len(watcher.ids), len(first.setdefault(watcher.user, watcher.ids)))
            assert watcher.ids[:shorter] == first[watcher.user][:shorter]


@asynccontextmanager
async def gathered(project: Project, address: str, through: str, streams: int) -> AsyncIterator[Herd]:
    """Follow with so many streams over one way, each on a connection of its own, and push over another."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = streams * 4 + 1000
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard) if hard >= 0 else wanted, hard))
    users = [f"user-{number}" for number in range(PUSHERS)]
    herd = Herd([Watcher(users[number % PUSHERS]) for number in range(streams)], Pushes(), {})
    tasks: list[asyncio.Task[None]] = []
    async with AsyncExitStack() as open_clients:
        try:
            for user in users:
                metadata = {"x-api-key": project.client_key, "authorization": f"Bearer {project.token(user)}"}
                channel = await open_clients.enter_async_context(open_channel(address, None))
                herd.clients[user] = Pusher(SyncServiceStub(channel), tuple(metadata.items()))
                tasks.append(asyncio.create_task(herd.pushes.go_on(herd.clients[user], user)))
            for watcher in herd.watchers:
                follower = SyncClient(through, api_key=project.client_key, session_token=project.token(watcher.user))
                tasks.append(asyncio.create_task(watcher.watch(await open_clients.enter_async_context(follower))))
            await herd.caught_up()
            yield herd
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
    failed = [error for error in ended if not isinstance(error, asyncio.CancelledError)]
    assert not failed, failed


def spelled(resumed: Sequence[float]) -> str:
    return f"resumed after {statistics.median(resumed):.1f} s (median), {max(resumed):.1f} s (last)"
