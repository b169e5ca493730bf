"""Readers that take nothing: held back, cut in the end, no burden to others (T3)."""

import asyncio
import re
import time
from contextlib import AsyncExitStack
from pathlib import Path

from grpc import aio

from harness import Client, Project, change, failure, make_project, settings_for
from metrics import open_streams
from ports import free_address
from system.processes import Process, commands_in
from waiting import until

READERS = 50
BUDGET_KIB = 64 * 1024
SLOW_READER_SECONDS = 4
STORED_CHANGES = 300
BIG = {"text": "x" * 100_000}


def rss_kib(process: Process) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found is not None
    return int(found[1])


def client_of(address: str, project: Project, user: str) -> Client:
    return Client(address, {"x-api-key": project.client_key, "authorization": f"Bearer {project.token(user)}"})


async def seconds_to_deliver(client: Client, stream: aio.UnaryStreamCall[object, object], entity_id: str) -> float:
    """Push a change; return how long it takes until a live stream has it."""
    started_at = time.monotonic()
    await client.push(change("create", entity_id))
    while not any(one.entity_id == entity_id for one in (await stream.read()).changes):
        pass
    return time.monotonic() - started_at


async def test_fifty_stuck_readers_cost_little_delay_nobody_and_are_cut(tmp_path: Path):
    url, address, metrics = f"sqlite:///{tmp_path / 'syncline.db'}", free_address(), free_address()
    project = await make_project(settings_for(url))
    async with commands_in(tmp_path).running(
        *("server", "--database", url, "--grpc-address", address),
        SYNCLINE_SLOW_READER_SECONDS=str(SLOW_READER_SECONDS),
        SYNCLINE_METRICS_ADDRESS=metrics,
    ) as process:
        await process.ready(address)
        async with AsyncExitStack() as stack:
            writer = await stack.enter_async_context(client_of(address, project, "ada"))
            live = await stack.enter_async_context(client_of(address, project, "bob"))
            for start in range(0, STORED_CHANGES, 30):
                await writer.push(*(change("create", f"e{start + number}", BIG) for number in range(30)))
            stream = live.stream(follow=True)
            assert (await stream.read()).caught_up
            await writer.pull("todo")
            before = rss_kib(process)

            stuck = []
            for _ in range(READERS):
                reader = await stack.enter_async_context(client_of(address, project, "ada"))
                stuck.append(reader.stream(follow=True))
            most = 0
            for number in range(20):
                assert await seconds_to_deliver(live, stream, f"live-{number}") < SLOW_READER_SECONDS
                most = max(most, rss_kib(process) - before)
                await asyncio.sleep(0.1)
            assert most < BUDGET_KIB, f"{READERS} stuck readers cost {most} KiB"

            async def live_alone_is_left() -> bool:
                return await open_streams(metrics) == 1

            # Whoever began to take something again now would not be cut.
            await until(live_alone_is_left)
            told = [await end_of(call) for call in stuck]
            assert told == ["READER_TOO_SLOW"] * READERS


async def end_of(call: aio.UnaryStreamCall[object, object]) -> str:
    """Read what had been on its way and return why the stream ended; its last token has to come with it."""
    try:
        async with asyncio.timeout(60):
            async for _ in call:
                pass
    except aio.AioRpcError as error:
        told = failure(error)
        assert told.metadata["checkpoint_token"]
        return told.reason
    return "OK"
