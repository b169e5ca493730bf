"""The strictest public client in whole sync cycles: it never throws, and nothing is lost or there twice."""

import asyncio
from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from bridge.bridged import Bridged
from bridge.dialects.mutation_sync.app import App, note, page_of
from bridge.dialects.mutation_sync.device import Device
from bridge.dialects.mutation_sync.strict_client import ProtocolViolation, StrictClient

ROUNDS = 15
USERS = 4
ROUNDS_OF_A_USER = 200


def device(app: App, name: str, seed: int) -> Device:
    return Device(name, StrictClient(app.http, app.headers, page_size=1 + seed % 5), Random(f"{name}{seed}"))


async def settled(devices: list[Device]) -> None:
    """Sync until nobody has anything left to say, then let everyone hear it."""
    while any(each.queue for each in devices):
        for each in devices:
            await each.sync()
    for each in devices:
        await each.client.pull()


@pytest.mark.parametrize("seed", range(4))
async def test_two_devices_end_as_the_server_whatever_gets_lost(app: App, seed: int) -> None:
    devices = [device(app, name, seed) for name in ("phone", "laptop")]
    random = Random(seed)
    for _ in range(ROUNDS):
        for each in devices:
            for _ in range(random.randint(0, 4)):
                each.act()
        if random.random() < 0.4:
            await asyncio.gather(*(each.sync(lose=0.3) for each in devices))
        else:
            await random.choice(devices).sync(lose=0.3)
    await settled(devices)
    fresh = StrictClient(app.http, app.headers)
    await fresh.pull()
    assert devices[0].client.held == devices[1].client.held == fresh.held
    assert devices[0].client.head == devices[1].client.head == fresh.head
    assert min(each.acknowledged for each in devices) > 10
    assert_nothing_twice(fresh.held)


def assert_nothing_twice(held: dict[Any, dict[str, Any]]) -> None:
    tags = Counter(data["tag"] for data in held.values() if "tag" in data)
    bookmarks = [data for (resource, _), data in held.items() if resource == "BOOKMARK"]
    places = Counter((data["type"], data["key"], data.get("verseNumber")) for data in bookmarks)
    assert [seen for seen in (tags | places).items() if seen[1] > 1] == []


async def test_a_client_that_lost_an_answer_finds_its_creation(app: App) -> None:
    client = StrictClient(app.http, app.headers)
    await client.pull()
    mutation = note("mine", tag="t1")
    assert (await client.send([mutation])).status_code == 200  # and the answer is lost
    again = await client.send([mutation])
    assert again.status_code == 409
    [found] = await client.pull()
    assert (found["type"], found["data"]) == ("CREATE", mutation["data"])
    await client.push([note("next", tag="t2")])
    assert len(client.held) == 2


async def test_the_strict_client_does_throw(app: App) -> None:
    client = StrictClient(app.http, app.headers)
    with pytest.raises(ProtocolViolation):
        await client.push([note(), {"type": "UPDATE", "resource": "NOTE", "resourceId": "unseen", "data": {}}])
    client.headers = {**client.headers, "x-client-id": "wrong"}
    with pytest.raises(ProtocolViolation):
        await client.pull()


async def test_heads_strictly_increase_and_every_acknowledged_mutation_is_there(bridged: Bridged, user: str) -> None:
    apps = [App(bridged, f"{user}-{number}") for number in range(USERS)]
    made = await asyncio.gather(*(many_rounds(app) for app in apps))
    for app, (heads, acknowledged) in zip(apps, made, strict=True):
        assert len(heads) == ROUNDS_OF_A_USER
        assert all(earlier < later for earlier, later in pairwise(heads))
        rows = await app.rows()
        assert {row["resourceId"]: row["timestamp"] for row in rows} == acknowledged
        assert await app.head() == heads[-1]


async def many_rounds(app: App) -> tuple[list[int], dict[str, int]]:
    heads: list[int] = []
    acknowledged: dict[str, int] = {}
    at = -1
    for number in range(ROUNDS_OF_A_USER):
        page = page_of(await app.post(at, note(str(number)), *([note("second")] if number % 3 == 0 else [])))
        at = page["lastMutationAt"]
        heads.append(at)
        acknowledged |= {row["resourceId"]: row["timestamp"] for row in page["mutations"]}
    return heads, acknowledged
