"""Several server processes on one PostgreSQL are one log: whoever writes where, everyone gets everything (T5)."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import asyncpg
import pytest

from harness import Project, make_project, settings_for
from ports import free_address
from syncline_client import NewChange, SyncClient, Timing, create, update
from syncline_verify.checks import check, summary
from syncline_verify.history import Entity, RunHistory
from system.mirrors import Mirror, acknowledge, end
from system.processes import Process, commands_in
from waiting import until

SEED = 20260801
CHANGES = 50_000
FEWER_CHANGES = 5_000
BATCH = 100
TOUCHES = 5
"""In each batch; the rest are new entities."""
SERVERS = 3
WRITERS = 6
CUTS_A_SECOND = 3
LOST_CONNECTIONS = 20
MUTE = Path(__file__).parents[1] / "faults/mute"
TIMING = Timing(call_seconds=20, total_seconds=60, first_pause_seconds=0.05, longest_pause_seconds=0.5)

pytestmark = pytest.mark.timeout(300)


@dataclass
class Cluster:
    """Servers, with writers on all of them and mirrors that move from one to the next with each life."""

    project: Project
    addresses: Sequence[str]
    processes: Sequence[Process]
    history: RunHistory = field(default_factory=RunHistory)
    mirrors: list[Mirror] = field(default_factory=list)
    users: Sequence[str] = tuple(f"user-{number}" for number in range(WRITERS))

    def client(self, address: str) -> SyncClient:
        return SyncClient(address, api_key=self.project.server_key, timing=TIMING)

    async def load(self, wanted: Callable[[], bool], pause_seconds: float = 0) -> None:
        """Write for as long as it is wanted, read all of it, and check what was read."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as readers:
            for number in range(SERVERS):
                readers.create_task(self._mirror(number, None).run())
                readers.create_task(self._mirror(number + 1, self.users[number]).run())
            cutting = readers.create_task(self._cut())
            async with asyncio.TaskGroup() as writers:
                for number, user in enumerate(self.users):
                    address = self.addresses[number % len(self.addresses)]
                    writers.create_task(self._write(address, user, wanted, pause_seconds))
            written = time.monotonic()
            cutting.cancel()
            async with self.client(self.addresses[0]) as client:
                await end(client, self.history, self.users)
        self._show(written - started, time.monotonic() - written)
        problems = check(self.history)
        assert not problems, summary(problems)

    async def _write(self, address: str, user: str, wanted: Callable[[], bool], pause_seconds: float) -> None:
        number = 0
        async with self.client(address) as client:
            while wanted():
                changes: list[NewChange] = [update("note", f"{touch}", {"n": number}) for touch in range(TOUCHES)]
                for _ in range(BATCH - TOUCHES):
                    number += 1
                    changes.append(create("todo", f"new-{number}", {"n": number, "by": user}))
                    self.history.once.add(Entity(user, "todo", f"new-{number}"))
                acknowledge(self.history, user, changes, await client.push(changes, user_id=user))
                await asyncio.sleep(pause_seconds)

    def _mirror(self, first: int, user: str | None) -> Mirror:
        addresses = cycle([*self.addresses[first % len(self.addresses) :], *self.addresses])
        reader = self.history.reader(f"{user or 'firehose'} {first}", user)
        mirror = Mirror(reader, lambda: self.client(next(addresses)), [user] if user else self.users)
        self.mirrors.append(mirror)
        return mirror

    async def _cut(self) -> None:
        drawn = random.Random(SEED)
        while True:
            await asyncio.sleep(1 / CUTS_A_SECOND)
            drawn.choice(self.mirrors).kill()

    def _show(self, seconds: float, after_seconds: float) -> None:
        read = sum(len(mirror.reader.entries) for mirror in self.mirrors)
        lives = sum(mirror.lives for mirror in self.mirrors)
        print(
            f"{len(self.history.acknowledged)} changes pushed in {seconds:.1f} s, {read} read in {lives} lives of "
            f"{len(self.mirrors)} readers, the last {after_seconds:.1f} s later"
        )

    def fewer_than(self, changes: int) -> Callable[[], bool]:
        return lambda: len(self.history.acknowledged) < changes


@asynccontextmanager
async def cluster(url: str, folder: Path, servers: int = SERVERS, **environment: str) -> AsyncIterator[Cluster]:
    """Run servers on ports of their own."""
    project = await make_project(settings_for(url))
    commands = commands_in(folder)
    addresses = [free_address() for _ in range(servers)]
    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(
                commands.running("server", "--database", url, "--grpc-address", address, **environment)
            )
            for address in addresses
        ]
        for process, address in zip(processes, addresses, strict=True):
            await process.ready(address)
        yield Cluster(project, addresses, processes)


async def test_what_is_written_through_any_process_is_read_once_and_in_order_through_all(
    postgres_url: str, tmp_path: Path
):
    async with asyncio.timeout(200), cluster(postgres_url, tmp_path) as running:
        await running.load(running.fewer_than(CHANGES))
        assert len(running.history.acknowledged) >= CHANGES


async def test_without_notifications_it_is_read_later(postgres_url: str, tmp_path: Path):
    async with asyncio.timeout(200), cluster(postgres_url, tmp_path, PYTHONPATH=str(MUTE)) as running:
        await running.load(running.fewer_than(FEWER_CHANGES))
        assert all("is not announced" in process.err for process in running.processes)


async def test_lost_connections_for_notifications_lose_no_change(postgres_url: str, tmp_path: Path):
    async with asyncio.timeout(200), cluster(postgres_url, tmp_path) as running, asyncio.TaskGroup() as tasks:
        losing = tasks.create_task(lose_connections(postgres_url))
        await running.load(lambda: not losing.done(), pause_seconds=0.1)
        assert all("the connection for notifications was lost" in process.err for process in running.processes)


async def lose_connections(url: str) -> None:
    """Terminate the connections for notifications, so many of them, one process's after the other's."""
    connection = await asyncpg.connect(url)
    try:
        lost: set[int] = set()

        async def are_enough() -> bool:
            rows = await connection.fetch(
                "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'syncline-notifications' AND datname = current_database()"
            )
            lost.update(row["pid"] for row in rows)
            return len(lost) >= LOST_CONNECTIONS

        await until(are_enough)
    finally:
        await connection.close()


@dataclass(frozen=True)
class Workers:
    """The workers that share a port, as the kernel knows them."""

    address: str

    def pids(self) -> set[int]:
        return {int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal() and self._has(path)}

    async def until(self, count: int) -> set[int]:
        await until(lambda: len(self.pids()) == count)
        return self.pids()

    def _has(self, process: Path) -> bool:
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            return False
        return {b"SYNCLINE_REUSE_PORT=1", f"SYNCLINE_GRPC_ADDRESS={self.address}".encode()} <= set(environment)


async def test_workers_that_share_a_port_are_one_log_and_are_kept_alive(postgres_url: str, tmp_path: Path):
    project, address = await make_project(settings_for(postgres_url)), free_address()
    workers = Workers(address)
    arguments = ("server", "--database", postgres_url, "--grpc-address", address, "--workers", "3")
    async with asyncio.timeout(200), commands_in(tmp_path).running(*arguments) as process:
        await process.ready(address)
        first = await workers.until(3)
        running = Cluster(project, [address], [process])
        async with asyncio.TaskGroup() as tasks:
            replaced = tasks.create_task(one_replaced(workers))
            await running.load(lambda: running.fewer_than(FEWER_CHANGES)() or not replaced.done(), pause_seconds=0.1)
        assert len(first & await workers.until(3)) == 2
        ended = await process.ended(signal.SIGTERM)
        assert ended.code == 0, ended
        assert not workers.pids()


async def one_replaced(workers: Workers) -> None:
    """Kill a worker and wait until another has taken its place."""
    before = workers.pids()
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    await until(lambda: workers.pids() - before)


async def test_workers_end_with_their_parent_however_it_ends(postgres_url: str, tmp_path: Path):
    await make_project(settings_for(postgres_url))
    workers = Workers(free_address())
    arguments = ("server", "--database", postgres_url, "--grpc-address", workers.address, "--workers", "2")
    async with commands_in(tmp_path).running(*arguments) as process:
        await process.ready(workers.address)
        await workers.until(2)
        await process.kill()
        await workers.until(0)


async def test_several_workers_on_sqlite_are_refused(sqlite_url: str, tmp_path: Path):
    ended = await commands_in(tmp_path).run("server", "--database", sqlite_url, "--workers", "2")
    assert ended.code == 1
    assert "several workers need PostgreSQL" in ended.err
    assert "Traceback" not in ended.err
