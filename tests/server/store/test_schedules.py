"""Whatever is copied, restored and restarted: a token is good exactly where its reader has lost nothing."""

import random
from pathlib import Path

import pytest

from server.store.histories import World

SCHEDULES = 8
STEPS = 40
OPERATIONS = {
    World.push: 10,
    World.read: 6,
    World.copy: 2,
    World.restore: 2,
    World.restart: 1,
    World.begin_by_hand: 1,
    World.make_project: 1,
}


@pytest.mark.parametrize("seed", range(SCHEDULES))
async def test_a_token_is_accepted_exactly_when_its_readers_past_is_that_of_the_database(tmp_path: Path, seed: int):
    world = World(tmp_path, random.Random(seed))
    await world.start()
    try:
        await world.make_project()
        for step in world.drawn.choices(list(OPERATIONS), list(OPERATIONS.values()), k=STEPS):
            await step(world)
        await world.copy()
        for _ in range(3):
            await world.push()
            await world.read()
        await world.restore(world.copies[-1])
        await world.push()
        await world.read(most=len(world.held))
    finally:
        await world.stop()
    assert world.accepted > 10
    assert world.expired > 0
