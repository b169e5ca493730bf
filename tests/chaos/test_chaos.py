"""Whatever happens to processes, networks, disks and databases, no acknowledged change is lost or comes twice.

`make chaos SECONDS=… SEED=…` does this for longer; see docs/reliability.md.
"""

import asyncio
import os
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaos import verdict
from chaos.deployment import Deployment, deployed
from chaos.hands import Hands
from chaos.load import Load, http_through
from chaos.schedule import Kind

SECONDS = float(os.environ.get("CHAOS_SECONDS", "5"))
SEED = int(os.environ.get("CHAOS_SEED", "20260801"))
LEAST_CHANGES_A_SECOND = float(os.environ.get("CHAOS_LEAST_CHANGES_A_SECOND", "0"))
"""A run with less load says little."""
LONG_SECONDS = 60
DRAIN_SECONDS = 120
MOST_TOLD = 20


@dataclass(frozen=True)
class Report:
    """What came of a run."""

    database: str
    seconds: float
    acknowledged: int
    retried: int
    faults: Counter[Kind]
    problems: list[str]

    @property
    def changes_a_second(self) -> float:
        return self.acknowledged / self.seconds

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.faults.most_common())
        return (
            f"seed {SEED} on {self.database}: {self.acknowledged} changes acknowledged in {self.seconds:.0f} s, "
            f"{self.changes_a_second:.0f} a second; {self.retried} retries; {self.faults.total()} faults: {kinds}; "
            f"{len(self.problems)} violations"
        )


async def chaos(database: str, folder: Path) -> Report:
    """Do it all once."""
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(deployed(database, folder))
        load = Load(site, await stack.enter_async_context(http_through(site)), SEED)
        hands = Hands(site)
        started = time.monotonic()
        running = asyncio.create_task(load.run())
        short = SECONDS < LONG_SECONDS
        menus = hands.menus(longest_seconds=0.6 if short else 3.0, away_seconds=2.0 if short else 10.0)
        try:
            async with asyncio.TaskGroup() as work:
                for menu in menus:
                    work.create_task(hands.work(menu, SEED, started + SECONDS))
                work.create_task(unless_broken(running, started + SECONDS))
            site.heal()
            for process in site.processes.values():
                await process.look_after()
            seconds = time.monotonic() - started
            load.over = True
            await drained(running, load, site)
        finally:
            print("\n".join(hands.told))
            running.cancel()
            await asyncio.wait([running])
        print(f"drained {time.monotonic() - started - seconds:.1f} s later")
        problems = await verdict.problems(load)
        problems += [death for process in site.processes.values() for death in process.deaths]
        return Report(database, seconds, load.acknowledged, load.answers.retried, hands.counts, problems)


async def unless_broken(running: "asyncio.Task[None]", until: float) -> None:
    """Wait for a time; raise what a client got that it never should."""
    await asyncio.wait([running], timeout=max(0.0, until - time.monotonic()))
    if running.done():
        running.result()


async def drained(running: "asyncio.Task[None]", load: Load, site: Deployment) -> None:
    """Wait until everybody has everything."""
    await asyncio.wait([running], timeout=DRAIN_SECONDS)
    if not running.done():
        logs = "\n".join(process.process.err[-2000:] for process in site.processes.values())
        raise AssertionError(f"{sorted(load.waiting)} have not come to an end\n{logs}")
    running.result()


@pytest.mark.timeout(SECONDS + 2 * DRAIN_SECONDS)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_nothing_is_lost_whatever_happens(database: str, tmp_path: Path):
    report = await chaos(database, tmp_path)
    print(report, *report.problems[:MOST_TOLD], sep="\n")
    assert not report.problems, report.problems[0]
    assert report.faults.total() >= SECONDS / 3
    assert report.changes_a_second >= LEAST_CHANGES_A_SECOND, "not enough load to say anything"
