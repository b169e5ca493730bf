"""Apps as there are in the field, in both dialects and over gRPC: each ends with what the server has, on each database.

`make apps SECONDS=600 SEED=1` runs rounds of twenty apps. A failure prints SEED/HOUSE, `make apps SEED=… HOUSE=…` lets
the five apps of that user live alone, each as it was drawn; what races in a round may race otherwise in the next.
"""

import asyncio
import os
import time
import uuid
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from apps import verdict
from apps.book import Problem
from apps.house import House
from apps.site import live_site
from apps.waiting import waits_for
from bridge.bridged import bridged_on
from harness import Server, settings_for, started_server

SECONDS = float(os.environ.get("APPS_SECONDS", "4"))
SEED = int(os.environ.get("APPS_SEED", "1"))
PUSH_IDS = os.environ.get("APPS_PUSH_IDS", "1") == "1"
ONLY = os.environ.get("APPS_HOUSE", "")
"""The number of the one house to let live; empty: all."""
EVERYTHING = os.environ.get("APPS_EVERYTHING", "") == "1"
"""Hold the server also to what it does not keep yet."""
HOUSES = 4
APPS = 5
_ROUND_SECONDS = 6
_MOST_TOLD = 2
"""Of each kind, and of apps with the same habits."""


@dataclass
class Report:
    """What came of all rounds."""

    steps: int = 0
    problems: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    """What was found and is known, by what it waits for."""

    def add(self, house: House, found: list[Problem]) -> None:
        self.steps += house.steps
        apps = {app.name: app for app in house.apps}
        for one in found:
            if not EVERYTHING and (rule := waits_for(one, apps.get(one.app))):
                self.waiting[rule] += 1
                continue
            kind = f"{one.kind} {one.app.rstrip('-0123456789')}"
            self.kinds[kind] += 1
            if self.kinds[kind] <= _MOST_TOLD:
                self.problems.append(f"{house.seed} {one}")


async def a_round(server: Server, seed: int, report: Report) -> None:
    """Let twenty apps of four users live together and settle."""
    async with AsyncExitStack() as stack:
        bridged = await stack.enter_async_context(bridged_on(server))
        houses = []
        for number in range(HOUSES):
            if ONLY in {"", str(number)}:
                name, mixed = f"{seed}/{number}", number == HOUSES - 1
                site = await stack.enter_async_context(live_site(bridged, f"user-{name}-{uuid.uuid4().hex[:8]}"))
                houses.append(House(name, site, APPS + mixed, PUSH_IDS, mixed))
        until = time.monotonic() + min(_ROUND_SECONDS, SECONDS)
        async with asyncio.TaskGroup() as living:
            for house in houses:
                living.create_task(_live(house, until))
        for house in houses:
            report.add(house, verdict.problems(house.book, await house.log()))


async def _live(house: House, until: float) -> None:
    await house.open()
    await house.live(lambda: time.monotonic() < until)
    await house.settle()


@pytest.mark.timeout(SECONDS * 3 + 200)
async def test_every_app_ends_with_what_the_server_has(database_url: str):
    report, seed, until = Report(), SEED, time.monotonic() + SECONDS
    async with started_server(settings_for(database_url)) as server:
        while time.monotonic() < until:
            await a_round(server, seed, report)
            seed += 1
    print(f"\nseeds {SEED}…{seed - 1}: {report.steps} steps; {dict(report.kinds)}; waiting: {dict(report.waiting)}")
    print(*report.problems, sep="\n")
    assert not report.kinds, f"promises that were not kept, by kind: {dict(report.kinds)}"
