"""Streams by the hundred that are dropped at once come back soon, bring everything, and disturb no push."""

import os
import time
from pathlib import Path

import pytest

from faults.proxy import Proxy
from harness import make_project, settings_for
from herd.herd import PUSHERS, RESUME_SECONDS, gathered, spelled
from ports import free_address
from system.processes import commands_in

STREAMS = int(os.environ.get("STREAMS", "100"))
"""`make herd` sets it."""


@pytest.mark.timeout(240 + STREAMS)
async def test_a_herd_comes_back_and_no_push_fails(database_url: str, tmp_path: Path):
    settings = settings_for(database_url)
    project = await make_project(settings)
    commands, address = commands_in(tmp_path), free_address()
    serve = ("serve", "--no-http", "--grpc-address", address, "--database", database_url)
    async with commands.running(*serve) as server, Proxy(address) as proxy:
        await server.ready(address)
        async with gathered(project, address, proxy.address, STREAMS) as herd:
            before = proxy.accepted  # one each, or more where a busy machine made an attempt take too long
            dropped_at = time.monotonic()
            proxy.reset()
            cut = await herd.resumed(dropped_at)
            assert proxy.accepted - before >= STREAMS
            after_cut = herd.pushes.count
            herd.pushes.server_is_down, dropped_at = True, time.monotonic()
            await server.kill()
            async with commands.running(*serve) as again:
                await again.ready(address)
                back_at = time.monotonic()
                killed = await herd.resumed(back_at)
                await herd.check()
                kind = database_url.partition(":")[0]
                print(f"\n{kind}, {STREAMS} streams, cut: {spelled(cut)}; {after_cut} pushes")
                away = f"SIGKILL, back after {back_at - dropped_at:.1f} s"
                print(f"{kind}, {STREAMS} streams, {away}: {spelled(killed)}; ", end="")
                print(
                    f"{herd.pushes.count - after_cut} pushes, {herd.pushes.retries} attempts while it was down; ",
                    end="",
                )
                print(f"slowest push {herd.pushes.slowest_seconds:.1f} s; {len(herd.pushes.failures)} failures")
                assert not herd.pushes.failures
                assert herd.pushes.count > 10 * PUSHERS
                assert max(cut) < RESUME_SECONDS
                assert max(killed) < RESUME_SECONDS
