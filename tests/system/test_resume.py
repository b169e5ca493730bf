"""Whatever cuts a reader off, what it has stored is what one uninterrupted reading would have given it (T3)."""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faults.proxy import Proxy
from harness import Project, Server, make_project, settings_for, started_server
from ports import free_address
from syncline_client import SyncClient, Timing
from syncline_verify.checks import check, monotone_tokens, summary
from syncline_verify.history import Mark, Reader, Reread, RunHistory
from system import mirrors
from system.load import END, Workload
from system.mirrors import Mirror, read_again
from system.processes import Process, commands_in

SEED = 20260801
CUTS = 100
KILLS, STOPS = 2, 1
"""How many of the cuts end the server."""
WRITE_PAUSE_SECONDS = 0.02
PAUSE_SECONDS = 0.1
"""Between two cuts, at most."""
WRITERS = 4
USERS = ("ada", "bob")
TIMING = Timing(
    call_seconds=20, total_seconds=60, silence_seconds=1, first_pause_seconds=0.02, longest_pause_seconds=0.2
)
HEARTBEAT_SECONDS = 0.2
BREAKS = ("cut", "reset", "half_close", "mid_frame", "black_hole", "kill", "doom")


async def break_off(how: str, proxy: Proxy, mirror: Mirror, random_bytes: int) -> None:
    """Cut a mirror off, in one of the ways."""
    match how:
        case "mid_frame":
            proxy.weather.reset_after_bytes = random_bytes
        case "black_hole":
            proxy.black_hole(up=random_bytes % 2 == 0)
        case "kill":
            mirror.kill()
        case "doom":
            mirror.doomed = True
        case _:
            getattr(proxy, how)()


@dataclass
class Place:
    """A server in this process that can be drained and started again, with a reader behind a proxy."""

    database_url: str
    project: Project
    proxy: Proxy
    numbers: Iterator[int] = field(default_factory=count)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        # A peer in a black hole is waited for as long as the server may take to drain.
        options = settings_for(self.database_url, heartbeat_seconds=HEARTBEAT_SECONDS, drain_seconds=0.3)
        server = await self.stack.enter_async_context(started_server(options, self.project))
        self.proxy.target = self.address = server.address

    async def drain(self) -> None:
        await self.stack.aclose()
        await self.start()

    def client(self, address: str) -> SyncClient:
        return SyncClient(address, api_key=self.project.server_key, timing=TIMING)


@pytest.fixture
async def place(database_url: str) -> AsyncIterator[Place]:
    project = await make_project(settings_for(database_url))
    async with Proxy("127.0.0.1:1") as proxy:
        made = Place(database_url, project, proxy)
        await made.start()
        yield made
        await made.stack.aclose()


steps = st.lists(st.sampled_from(("push", "push", *BREAKS, "drain")), min_size=3, max_size=12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, firehose=st.booleans(), seed=st.integers(0, 2**32))
async def test_a_reader_cut_off_anywhere_has_what_an_uninterrupted_one_has(
    place: Place, steps: list[str], firehose: bool, seed: int
):
    drawn = random.Random(seed)
    user = f"user-{next(place.numbers)}"
    history = RunHistory()
    async with asyncio.timeout(60), place.client(place.address) as start:
        first = await anext(start.follow(all_users=True, from_end=True))
        # All users' log is read from the end it had; a user's own, which is new, from its start.
        reader = history.reader("mirror", None if firehose else user)
        mirror = Mirror(
            reader, lambda: place.client(place.proxy.address), [user], first.checkpoint_token if firehose else None
        )
        workload = Workload(seed, user, (user,))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(mirror.run())
            for step in [*steps, "push"]:
                await asyncio.sleep(drawn.uniform(0, 0.03))
                if step == "drain":
                    await place.drain()
                elif step == "push":
                    async with place.client(place.address) as writer:
                        await mirrors.push(writer, history, user, workload.batch())
                else:
                    await break_off(step, place.proxy, mirror, drawn.randrange(1, 3000))
            place.proxy.heal()
            async with place.client(place.address) as writer:
                await mirrors.end(writer, history, [user])
        problems = check(history)
        assert not problems, summary(problems)
        async with place.client(place.address) as again:
            # A token may be used any number of times.
            for mark in drawn.sample(reader.marks, min(3, len(reader.marks))):
                await check_again(again, history, reader, mark)


async def check_again(client: SyncClient, history: RunHistory, reader: Reader, mark: Mark) -> None:
    log = Reader("log", reader.user)
    log.entries = await read_again(client, log, reader.marks[0] if reader.user is None else Mark("", 0))
    if reader.user is None:
        log.entries = [*reader.entries[: reader.marks[0].entries], *log.entries]
    check_token(log, Reread(reader, mark, await read_again(client, reader, mark)))


@dataclass
class Drill:
    """Writers that push all the while, and mirrors that are cut off all the while; all of them outlive the server."""

    server: Server
    history: RunHistory = field(default_factory=RunHistory)
    mirrors: list[tuple[Mirror, Proxy]] = field(default_factory=list)
    over: bool = False

    def client(self, address: str = "") -> SyncClient:
        return SyncClient(address or self.server.address, api_key=self.server.project.server_key, timing=TIMING)

    async def write(self, name: str, user: str) -> None:
        workload = Workload(SEED, name, (name,))
        async with self.client() as client:
            while not self.over:
                await mirrors.push(client, self.history, user, workload.batch())
                await asyncio.sleep(WRITE_PAUSE_SECONDS)

    async def add_mirror(self, stack: AsyncExitStack, name: str, user: str | None, *types: str) -> Mirror:
        proxy = await stack.enter_async_context(Proxy(self.server.address))
        reader = self.history.reader(name, user, *types)
        users = [user] if user else USERS
        mirror = Mirror(reader, lambda: self.client(proxy.address), users)
        self.mirrors.append((mirror, proxy))
        return mirror

    async def cut(self, drawn: random.Random) -> None:
        mirror, proxy = drawn.choice(self.mirrors)
        proxy.heal()
        await break_off(drawn.choice(BREAKS), proxy, mirror, drawn.randrange(1, 20_000))


@asynccontextmanager
async def drill(database_url: str) -> AsyncIterator[Drill]:
    options = settings_for(database_url).model_copy(update={"grpc_address": free_address()})
    project = await make_project(options)
    yield Drill(Server(options.grpc_address, project, options))


async def test_a_hundred_random_cuts_under_load_cost_no_reader_a_change(database_url: str, tmp_path: Path):
    drawn = random.Random(SEED)
    ends = dict.fromkeys(drawn.sample(range(CUTS), KILLS), signal.SIGKILL)
    ends |= dict.fromkeys(drawn.sample(sorted(set(range(CUTS)) - set(ends)), STOPS), signal.SIGTERM)
    commands = commands_in(tmp_path)
    started = time.monotonic()

    async def serve(stack: AsyncExitStack, address: str) -> Process:
        arguments = ("--database", database_url, "--grpc-address", address)
        heartbeat = {"SYNCLINE_HEARTBEAT_SECONDS": str(HEARTBEAT_SECONDS)}
        process = await stack.enter_async_context(commands.running("server", *arguments, **heartbeat))
        await process.ready(address)
        return process

    async with asyncio.timeout(200), AsyncExitStack() as stack, drill(database_url) as run:
        process = await serve(stack, run.server.address)
        async with asyncio.TaskGroup() as readers:
            for name, user, types in (("ada", "ada", ()), ("notes", "bob", ("note", END)), ("firehose", None, ())):
                readers.create_task((await run.add_mirror(stack, name, user, *types)).run())
            async with asyncio.TaskGroup() as writers:
                for number in range(WRITERS):
                    writers.create_task(run.write(f"w{number}", USERS[number % 2]))
                for cut in range(CUTS):
                    await asyncio.sleep(drawn.uniform(0, PAUSE_SECONDS))
                    if cut in ends:
                        await process.ended(ends[cut])
                        process = await serve(stack, run.server.address)
                    else:
                        await run.cut(drawn)
                run.over = True
            for _, proxy in run.mirrors:
                proxy.heal()
            async with run.client() as client:
                await mirrors.end(client, run.history, USERS)
        show(run, time.monotonic() - started)
        problems = check(run.history)
        assert not problems, summary(problems)
        await check_tokens(run, drawn)


def check_token(log: Reader, reread: Reread) -> None:
    problems = monotone_tokens(RunHistory(log=log, rereads=[reread])).problems
    assert not problems, summary(problems)


async def check_tokens(run: Drill, drawn: random.Random) -> None:
    """Use some tokens once more."""
    log = Reader("log")
    async with run.client() as client:
        log.entries = await read_again(client, log, Mark("", 0))
        for mirror, _ in run.mirrors:
            for mark in drawn.sample(mirror.reader.marks, 3):
                check_token(log, Reread(mirror.reader, mark, await read_again(client, mirror.reader, mark)))


def show(run: Drill, seconds: float) -> None:
    lives = {mirror.reader.name: (mirror.lives, proxy.accepted) for mirror, proxy in run.mirrors}
    read = sum(len(mirror.reader.entries) for mirror, _ in run.mirrors)
    pushed = len(run.history.acknowledged)
    print(f"{pushed} changes pushed, {read} read in {seconds:.1f} s; lives and connections: {lives}")
