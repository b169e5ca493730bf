"""Pages by number, and stable pages by cursor."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.bridged import Bridged, bridged_on
from bridge.dialects.mutation_sync.app import App, delete, note, page_of, refusal, update
from harness import Server

COUNT = 7


async def seven_notes(app: App) -> list[str]:
    return [row["resourceId"] for row in await app.pushed(*(note(str(number)) for number in range(COUNT)))]


async def by_cursor(app: App, since: object, limit: int) -> AsyncIterator[dict[str, Any]]:
    page = page_of(await app.get(since, limit=limit, cursor=""))
    yield page
    while page["hasMore"]:
        page = page_of(await app.get(since, limit=limit, cursor=page["nextCursor"]))
        yield page


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
async def test_numbered_pages_hold_everything_once(app: App, limit: int) -> None:
    made = await seven_notes(app)
    seen = []
    for number in range(1, COUNT // limit + 2):
        page = page_of(await app.get(limit=limit, page=number))
        assert (page["page"], page["limit"], page["total"]) == (number, limit, COUNT)
        assert page["hasMore"] is (number * limit < COUNT)
        assert ("nextCursor" in page) is page["hasMore"]
        seen += [row["resourceId"] for row in page["mutations"]]
    assert seen == made


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_by_cursor_hold_everything_once(app: App, limit: int) -> None:
    made = await seven_notes(app)
    pages = [page async for page in by_cursor(app, 0, limit)]
    assert [row["resourceId"] for page in pages for row in page["mutations"]] == made
    assert [page["page"] for page in pages] == list(range(1, len(pages) + 1))
    assert {page["total"] for page in pages} == {COUNT}


async def test_a_numbered_page_can_go_on_by_cursor(app: App) -> None:
    made = await seven_notes(app)
    second = page_of(await app.get(limit=3, page=2))
    third = page_of(await app.get(limit=3, cursor=second["nextCursor"]))
    assert [row["resourceId"] for row in third["mutations"]] == made[6:]
    assert (third["page"], third["total"], third["hasMore"]) == (3, COUNT, False)


@pytest.mark.parametrize("page", [2, 10**6, 2**31])
async def test_a_page_past_the_end_is_empty(app: App, page: int) -> None:
    await seven_notes(app)
    got = page_of(await app.get(page=page))
    assert (got["mutations"], got["page"], got["total"], got["hasMore"]) == ([], page, COUNT, False)


async def test_the_type_is_relative_to_mutations_since_on_every_page(app: App) -> None:
    made = await seven_notes(app)
    since = await app.head()
    await app.pushed(*(update("NOTE", known, body="x") for known in made[:3]), note("new"), delete("NOTE", made[3]))
    expected = ["UPDATE", "UPDATE", "UPDATE", "CREATE", "DELETE"]
    cursored = [row["type"] async for page in by_cursor(app, since, 1) for row in page["mutations"]]
    numbered = [(await app.pulled(since, limit=1, page=number))[0]["type"] for number in range(1, 6)]
    assert cursored == numbered == expected
    everything = [row["type"] async for page in by_cursor(app, 0, 2) for row in page["mutations"]]
    assert everything == ["CREATE"] * 3 + ["CREATE"] * 4 + ["DELETE"]


async def test_a_cursor_misses_nothing_when_resources_move_meanwhile(app: App) -> None:
    made = await seven_notes(app)
    first = page_of(await app.get(limit=3, cursor=""))
    await app.pushed(update("NOTE", made[0], body="moved"), update("NOTE", made[4], body="moved"), note("new"))
    seen = [row["resourceId"] for row in first["mutations"]]
    rest = page_of(await app.get(limit=100, cursor=first["nextCursor"]))
    seen += [row["resourceId"] for row in rest["mutations"]]
    assert set(made) <= set(seen)
    assert rest["lastMutationAt"] == await app.head()
    assert [row["data"]["body"] for row in rest["mutations"][-3:]] == ["moved", "moved", "new"]


async def test_numbered_pages_skip_nothing_when_resources_move_meanwhile(app: App) -> None:
    made = await seven_notes(app)
    first = page_of(await app.get(limit=3, page=1))
    await app.pushed(update("NOTE", made[0], body="moved"), delete("NOTE", made[1]))
    pages = [first, *[page_of(await app.get(limit=3, page=number)) for number in (2, 3)]]
    assert [row["resourceId"] for row in pages[1]["mutations"]] == made[3:6], "where the first page has ended"
    assert [row["resourceId"] for row in pages[2]["mutations"]] == [made[6], made[0], made[1]], "in their new state"
    assert [page["hasMore"] for page in pages] == [True, True, False]
    assert [page["total"] for page in pages] == [COUNT, COUNT, 9], "as counted first, or as many as were met"


async def test_numbered_pages_skip_nothing_whichever_bridge_is_asked_and_in_whatever_order(
    server: Server, user: str
) -> None:
    async with bridged_on(server) as one, bridged_on(server) as other:
        here, there = App(one, user), App(other, user)
        made = await seven_notes(here)
        seen = [row["resourceId"] for row in await here.pulled(limit=2, page=1)]
        await here.pushed(update("NOTE", made[0], body="moved"))
        seen += [row["resourceId"] for row in await there.pulled(limit=2, page=3)]
        await there.pushed(update("NOTE", made[1], body="moved"))
        seen += [row["resourceId"] for row in await there.pulled(limit=2, page=2)]
        seen += [row["resourceId"] for row in await here.pulled(limit=2, page=4)]
        assert set(seen) == set(made)


async def test_who_starts_over_by_number_while_another_reads_takes_nothing_from_it(app: App) -> None:
    made = await seven_notes(app)
    seen = await app.pulled(limit=3, page=1)
    await app.pushed(update("NOTE", made[0], body="moved"))
    await app.pulled(limit=3, page=1)
    seen += [row for number in (2, 3) for row in await app.pulled(limit=3, page=number)]
    assert {row["resourceId"] for row in seen} == set(made)


async def test_after_a_reset_the_cursor_goes_on_with_everything(app: App) -> None:
    made = await seven_notes(app)
    lost = await app.head() + 5_000
    pages = [page async for page in by_cursor(app, lost, 2)]
    assert [row["resourceId"] for page in pages for row in page["mutations"]] == made
    assert {row["type"] for page in pages for row in page["mutations"]} == {"CREATE"}


async def test_a_cursor_of_another_user_is_refused(bridged: Bridged, app: App, user: str) -> None:
    await seven_notes(app)
    cursor = page_of(await app.get(limit=1))["nextCursor"]
    other = App(bridged, f"{user}-other")
    assert refusal(await other.get(cursor=cursor)) == (422, "unprocessable_entity", "Invalid cursor")


@pytest.mark.parametrize("damage", [lambda text: text[:-1], lambda text: text + "A", lambda text: "1" + text[::-1]])
async def test_a_damaged_cursor_is_refused(app: App, damage: Any) -> None:
    await seven_notes(app)
    cursor = page_of(await app.get(limit=1))["nextCursor"]
    assert refusal(await app.get(cursor=damage(cursor)))[0] == 422


async def test_a_numbered_page_that_is_cut_by_size_is_refused_and_a_cursor_gets_through(app: App) -> None:
    large = "x" * 250_000
    for _ in range(3):
        await app.pushed(*(note(large) for _ in range(4)))
    status, kind, message = refusal(await app.get())
    assert (status, kind) == (413, "payload_too_large")
    assert "lower limit" in message
    assert len([row async for page in by_cursor(app, 0, 100) for row in page["mutations"]]) == 12
    numbered = [row for number in (1, 2, 3) for row in await app.pulled(limit=4, page=number)]
    assert len(numbered) == 12


async def test_sizes_are_settings(server: Server, user: str) -> None:
    sizes = {"mutation_default_page_size": 2, "mutation_max_page_size": 3, "mutation_max_batch_size": 4}
    async with bridged_on(server, **sizes) as bridged:
        app = App(bridged, user)
        assert page_of(await app.post(-1, *[note()] * 4))["limit"] == 4
        assert refusal(await app.post(-1, *[note()] * 5))[2] == "Mutations must not exceed 4"
        assert page_of(await app.get())["limit"] == len(await app.pulled()) == 2
        assert refusal(await app.get(limit=4))[2] == '"limit" must be a whole number from 1 to 3'
