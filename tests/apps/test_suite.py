"""The suite is tried itself: on a server in memory that keeps the rules it finds nothing, and every planted fault."""

import itertools
from random import Random

import pytest

from apps import verdict
from apps.clocks import WALL
from apps.house import House
from apps.modelled import ModelledSite, Rules
from apps.planted import FAULTS

STEPS = 250
SEEDS = range(3)
SEEDS_OF_FAULTS = (12, 3, 0, 10, *range(20, 60))
"""The first ones find most of them; others follow, should the houses be drawn otherwise one day."""


async def found_in(rules: type[Rules], seed: int, *, push_ids: bool) -> list[verdict.Problem]:
    house = House(f"suite-{seed}", ModelledSite(rules(Random(seed))), 5, push_ids)
    await house.open()
    steps = itertools.count()
    try:
        await house.live(lambda: next(steps) < STEPS)
        await house.settle()
        return verdict.problems(house.book, await house.log())
    finally:
        WALL.moved_seconds = 0.0


@pytest.mark.parametrize("push_ids", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_server_that_keeps_the_rules_breaks_no_promise(seed: int, push_ids: bool):
    found = await found_in(Rules, seed, push_ids=push_ids)
    assert not found, "\n".join(map(str, found[:3]))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_planted_fault_is_found(fault: type[Rules]):
    kinds: set[str] = set()
    for seed in SEEDS_OF_FAULTS:
        kinds |= {one.kind for one in await found_in(fault, seed, push_ids=seed % 2 == 0)}
        if kinds & FAULTS[fault]:
            return
    raise AssertionError(f"found {kinds or 'nothing'}")
