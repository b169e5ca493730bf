"""P9 and P10 at this door: apps of the public SDK's kind, which keep a cursor a type and show it to nobody."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from bridge.bridged import Bridged
from bridge.dialects.checkpoint_sync.app import PATH, App, edit

MOST_SYNCS = 40


class Tab:
    """A page of the public SDK: it overwrites its cursor with every push's, and reads one page a sync."""

    def __init__(self, app: App, *types: str) -> None:
        self.app = app
        self.cursors: dict[str, str] = dict.fromkeys(types or ("todo",), "")
        self.held: dict[tuple[str, str], int] = {}
        self.typed = 0

    async def push(self, **shown: str) -> None:
        self.typed += 1
        name = f"typed by {id(self)} {self.typed}"
        answer = await self.app.push(*[edit(entity_id=name, entity_type=kind) for kind in self.cursors], **shown)
        self.cursors = dict.fromkeys(self.cursors, answer["checkpoint_token"])

    async def pull(self) -> bool:
        """Pull a page of each type; returns whether there is more."""
        more = False
        for kind, cursor in self.cursors.items():
            page = await self.app.pull(cursor or None, kind)
            self.cursors[kind] = page["checkpoint_token"]
            self.held.update({(one["entity_type"], one["entity_id"]): one["revision"] for one in page["changes"]})
            more |= page["has_more"]
        return more

    async def read_all(self) -> None:
        while await self.pull():
            pass

    async def syncs(self, *, pushes: bool) -> int:
        """Sync until it has everything that others wrote, and return how often; it `pushes` each time, or the first."""
        for count in range(1, MOST_SYNCS):
            if pushes or count == 1:
                await self.push()
            await self.pull()
            if not await self.lacks():
                return count
        raise AssertionError(f"it lacks {await self.lacks()}")

    async def lacks(self) -> set[tuple[str, str]]:
        reader = Tab(self.app, *self.cursors)
        await reader.read_all()
        return {
            name for name, revision in reader.held.items() if self.held.get(name) != revision and "typed" not in name[1]
        }


async def write(device: Callable[[str], App], count: int, prefix: str = "t") -> None:
    """Let another device write so many todos."""
    for start in range(0, count, 500):
        await device("other").push(*[edit(entity_id=f"{prefix}{at}") for at in range(start, min(count, start + 500))])


async def test_a_page_that_is_reloaded_and_typed_into_before_its_first_sync_ends_with_all_entities(
    app: App, device: Callable[[str], App]
):
    """The session has read all 253 before; the new page has none of them."""
    await write(device, 252)
    before = Tab(app)
    await before.syncs(pushes=False)
    assert len(before.held) == 253
    reloaded = Tab(app)
    assert await reloaded.syncs(pushes=False) <= 5
    assert len(reloaded.held.keys() | {("todo", "own")}) >= 254


async def test_a_chatty_page_that_is_reloaded_ends_with_all_entities(app: App, device: Callable[[str], App]):
    await write(device, 252)
    await Tab(app).syncs(pushes=True)
    assert await Tab(app).syncs(pushes=True) <= 2 * -(-253 // 75) + 1


async def test_news_of_a_busy_page_are_on_its_next_one(app: App, device: Callable[[str], App]):
    await write(device, 150)
    tab = Tab(app)
    await tab.read_all()
    await write(device, 1, prefix="news")
    await tab.push()
    await tab.pull()
    assert ("todo", "news0") in tab.held


async def test_a_tab_that_slept_gets_what_another_one_has_read(app: App, device: Callable[[str], App]):
    await write(device, 20)
    awake, asleep = Tab(app), Tab(app)
    await awake.read_all()
    await asleep.read_all()
    await write(device, 5, prefix="new")
    await awake.syncs(pushes=True)
    assert await asleep.syncs(pushes=True) <= 2


async def test_a_page_with_two_types_gets_both(app: App, device: Callable[[str], App]):
    await device("other").push(*[edit(entity_id=f"n{at}", entity_type="note") for at in range(120)])
    await write(device, 120)
    await Tab(app, "todo", "note").read_all()
    await Tab(app, "todo", "note").syncs(pushes=True)


async def test_a_page_that_reads_on_while_there_is_more_has_all_at_once(app: App, device: Callable[[str], App]):
    await write(device, 230)
    tab = Tab(app)
    await tab.push()
    await tab.read_all()
    assert not await tab.lacks()


@pytest.mark.parametrize("named", [True, False], ids=["device", "token"])
async def test_a_device_or_a_shown_token_reads_nothing_again(app: App, device: Callable[[str], App], *, named: bool):
    await write(device, 20)
    reader = Tab(device("mine") if named else app)
    await reader.read_all()
    await reader.pull()
    await reader.push(**({} if named else {"checkpoint_token": reader.cursors["todo"]}))
    assert (await reader.app.pull(reader.cursors["todo"]))["changes"] == []


async def test_an_empty_token_says_that_nothing_was_read(app: App, device: Callable[[str], App]):
    """Also where the session, or the device, has read all of it."""
    await write(device, 5)
    for reader in (Tab(app), Tab(device("mine"))):
        await reader.read_all()
        await reader.pull()
        await reader.push(checkpoint_token="")
        again = await reader.app.pull(reader.cursors["todo"])
        assert {f"t{at}" for at in range(5)} <= {one["entity_id"] for one in again["changes"]}


async def test_a_server_key_without_a_device_shows_nothing(bridged: Bridged, app: App, user: str):
    service = App(bridged, user)
    service.headers = {"x-api-key": bridged.server.project.server_key, "x-user-id": user}
    await app.push(edit(entity_id="before"))
    token = (await service.push(edit(entity_id="own")))["checkpoint_token"]
    assert [one["entity_id"] for one in (await service.pull(token))["changes"]] == ["before", "own"]


async def test_a_stream_brings_the_news_then_all_again_and_then_goes_live(app: App, device: Callable[[str], App]):
    await write(device, 30)
    await Tab(app).read_all()
    await write(device, 1, prefix="news")
    token = (await app.push(edit(entity_id="own")))["checkpoint_token"]
    query = {"entity_type": "todo", "checkpoint_token": token}
    names: list[str] = []
    async with app.http.stream("GET", f"{PATH}/stream", params=query, headers=app.headers) as answer:
        async for event in events_of(answer):
            names += [one["entity_id"] for one in event["changes"]]
            if event.get("caught_up"):
                await write(device, 1, prefix="live")
            if names[-1:] == ["live0"]:
                break
    assert names[:2] == ["news0", "own"]
    assert sorted(names[2:-1]) == sorted(f"t{at}" for at in range(30))


async def events_of(answer: Any) -> Any:
    async for line in answer.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
