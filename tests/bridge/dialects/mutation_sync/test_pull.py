"""GET: its fields, its parameters, what it says of each resource."""

import re

import pytest

from bridge.bridged import Bridged
from bridge.dialects.mutation_sync.app import MEMBERS, PAGE_MEMBERS, App, create, delete, note, page_of, refusal, update

ALL = ["BOOKMARK", "COLLECTION", "NOTE", "READING_SESSION"]
NUMBER_MEMBERS = re.compile(r'"(?:lastMutationAt|timestamp|page|limit|total)":([^,}]+)')


async def one_of_each(app: App) -> None:
    await app.pushed(
        create("BOOKMARK", type="page", key=1),
        create("COLLECTION", name="a", isDefault=False, isSystem=True),
        note(ranges=["1:1-1:2"]),
        create("READING_SESSION", chapterNumber=1, verseNumber=2),
    )


async def test_a_user_without_changes_has_the_head_minus_one(app: App) -> None:
    response = await app.get()
    page = {"lastMutationAt": -1, "mutations": [], "page": 1, "limit": 100, "total": 0, "hasMore": False}
    assert response.json() == {"success": True, "data": page}
    assert response.headers["x-mutation-at"] == "-1"
    assert response.headers["content-type"] == "application/json"


async def test_every_member_is_there_and_no_other(app: App) -> None:
    await one_of_each(app)
    page = page_of(await app.get())
    assert set(page) == PAGE_MEMBERS
    assert [set(mutation) for mutation in page["mutations"]] == [MEMBERS] * 4


async def test_every_number_is_a_json_integer(app: App) -> None:
    await one_of_each(app)
    for response in (await app.get(), await app.get(metadataOnly="true"), await app.get("1.5", limit="2.0")):
        numbers = NUMBER_MEMBERS.findall(response.text)
        assert numbers
        assert all(re.fullmatch(r"-?\d+", number) for number in numbers)


async def test_the_header_is_the_head(app: App) -> None:
    await one_of_each(app)
    for parameters in ({}, {"resources": "NOTE"}, {"metadataOnly": "true"}, {"page": 9}):
        response = await app.get(**parameters)
        assert response.headers["x-mutation-at"] == str(response.json()["data"]["lastMutationAt"])


async def test_the_head_counts_all_resources_whatever_the_filter_and_the_page(app: App) -> None:
    await app.pushed(note())
    await app.pushed(create("COLLECTION", name="later"))
    head = await app.head()
    for parameters in ({"resources": "NOTE"}, {"limit": 1}, {"page": 7}, {"resources": "UNHEARD_OF"}):
        assert page_of(await app.get(**parameters))["lastMutationAt"] == head


async def test_mutations_are_strictly_later_and_ascending(app: App) -> None:
    heads = []
    for body in "abc":
        await app.pushed(note(body), note(body * 2))
        heads.append(await app.head())
    rows = await app.pulled(heads[0])
    assert [row["data"]["body"] for row in rows] == ["b", "bb", "c", "cc"]
    assert [row["timestamp"] for row in rows] == sorted(row["timestamp"] for row in rows)
    assert rows[-1]["timestamp"] == heads[2]
    assert await app.pulled(heads[2]) == []


@pytest.mark.parametrize("since", [0, -1, "-1.0", "0.0", -5])
async def test_zero_and_minus_one_mean_everything(app: App, since: object) -> None:
    await one_of_each(app)
    assert len(await app.pulled(since)) == 4


@pytest.mark.parametrize("spelling", ["{}", "{}.0", "{}.9", " {}", "{}e0", "{}."])
async def test_a_decimal_part_is_tolerated(app: App, spelling: str) -> None:
    await app.pushed(note("a"))
    head = await app.head()
    await app.pushed(note("b"))
    assert [row["data"]["body"] for row in await app.pulled(spelling.format(head))] == ["b"]


async def test_a_decimal_part_never_hides_the_next_millisecond(app: App) -> None:
    await app.pushed(note())
    assert len(await app.pulled(f"{await app.head() - 1}.9")) == 1


async def test_one_entry_per_resource_in_its_latest_state(app: App) -> None:
    [made] = await app.pushed(note("a", ranges=["1:1"]))
    await app.pushed(update("NOTE", made["resourceId"], body="b"))
    [row] = await app.pulled()
    assert row["data"] == {"body": "b", "ranges": ["1:1"]}


async def test_the_type_tells_what_became_of_it_since(app: App) -> None:
    [old, gone] = await app.pushed(note("old"), note("gone"))
    since = await app.head()
    await app.pushed(update("NOTE", old["resourceId"], body="new"), delete("NOTE", gone["resourceId"]), note("made"))
    assert [row["type"] for row in await app.pulled(since)] == ["UPDATE", "DELETE", "CREATE"]
    assert [row["type"] for row in await app.pulled(0)] == ["CREATE", "DELETE", "CREATE"]


async def test_what_was_revived_counts_as_created(app: App) -> None:
    [made] = await app.pushed(note())
    await app.pushed(delete("NOTE", made["resourceId"]))
    since = await app.head()
    await app.pushed(create("NOTE", made["resourceId"], body="back"))
    assert [row["type"] for row in await app.pulled(since)] == ["CREATE"]


async def test_tombstones_of_simple_resources_are_empty(app: App) -> None:
    made = await app.pushed(note(), create("BOOKMARK", type="page", key=3), create("COLLECTION", name="c"))
    await app.pushed(*(delete(row["resource"], row["resourceId"]) for row in made))
    assert [(row["type"], row["data"]) for row in await app.pulled()] == [("DELETE", {})] * 3


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ("NOTE", ["NOTE"]),
        ("NOTE,BOOKMARK", ["BOOKMARK", "NOTE"]),
        ("NOTE, COLLECTION ,", ["COLLECTION", "NOTE"]),
        ("BOOKMARK,COLLECTION,COLLECTION_BOOKMARK,NOTE,READING_SESSION", ALL),
        ("UNHEARD_OF,NOTE", ["NOTE"]),
        ("UNHEARD_OF", []),
        ("note", []),
        ("", ALL),
    ],
)
async def test_resources_filters_and_ignores_what_it_does_not_know(
    app: App, resources: str, expected: list[str]
) -> None:
    await one_of_each(app)
    page = page_of(await app.get(resources=resources))
    assert sorted(row["resource"] for row in page["mutations"]) == expected
    assert page["total"] == len(expected)
    assert page["lastMutationAt"] > 0


@pytest.mark.parametrize("query", ["resources=NOTE%2CCOLLECTION", "resources=NOTE&resources=COLLECTION"])
async def test_commas_may_be_percent_encoded_and_the_list_repeated(app: App, query: str) -> None:
    await one_of_each(app)
    response = await app.http.get(f"/v1/sync?mutationsSince=0&{query}", headers=app.headers)
    assert [row["resource"] for row in page_of(response)["mutations"]] == ["COLLECTION", "NOTE"]


@pytest.mark.parametrize(("value", "alone"), [("true", True), ("1", True), ("false", False), ("", False)])
async def test_metadata_only_is_the_head_and_nothing_else(app: App, value: str, alone: bool) -> None:
    await one_of_each(app)
    data = page_of(await app.get(metadataOnly=value))
    assert set(data) == ({"lastMutationAt"} if alone else PAGE_MEMBERS)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", '"mutationsSince" is required'),
        ("mutationsSince=", '"mutationsSince" is required'),
        ("mutationsSince=soon", '"mutationsSince" must be a number'),
        ("mutationsSince=NaN", '"mutationsSince" must be a number'),
        ("mutationsSince=0&mutationsSince=1", '"mutationsSince" must be given once'),
        ("mutationsSince=0&limit=0", '"limit" must be a whole number from 1 to 1000'),
        ("mutationsSince=0&limit=1001", '"limit" must be a whole number from 1 to 1000'),
        ("mutationsSince=0&limit=1.5", '"limit" must be a whole number from 1 to 1000'),
        ("mutationsSince=0&limit=x", '"limit" must be a number'),
        ("mutationsSince=0&page=0", '"page" must be a whole number from 1 to 2147483648'),
        ("mutationsSince=0&metadataOnly=maybe", '"metadataOnly" must be a boolean'),
        ("mutationsSince=0&resources=NOTE,%25", 'Invalid resource: "%"'),
        ("mutationsSince=0&cursor=x", "Invalid cursor"),
        ("mutationsSince=0&cursor=0.1.1.AAAA", "Invalid cursor"),
    ],
)
async def test_bad_parameters_are_422(app: App, query: str, message: str) -> None:
    response = await app.http.get(f"/v1/sync?{query}", headers=app.headers)
    assert refusal(response) == (422, "unprocessable_entity", message)
    assert response.json()["error"]["code"] == "ValidationError"


@pytest.mark.parametrize("since", [10**15, 10**19, "9" * 20, "1e99"])
async def test_a_time_beyond_the_head_belongs_to_a_lost_history_and_gets_everything(app: App, since: object) -> None:
    await one_of_each(app)
    assert [row["type"] for row in await app.pulled(since)] == ["CREATE"] * 4


async def test_a_time_just_beyond_the_head_gets_everything_and_the_real_head(app: App) -> None:
    [made] = await app.pushed(note())
    page = page_of(await app.get(await app.head() + 1))
    assert [row["resourceId"] for row in page["mutations"]] == [made["resourceId"]]
    assert page["lastMutationAt"] == await app.head()


@pytest.mark.parametrize("path", ["/v1/sync", "/v1/sync/", "/auth/v1/sync", "/auth/v1/sync/"])
async def test_every_path_is_the_same(app: App, path: str) -> None:
    made = await app.http.post(
        f"{path}?lastMutationAt=-1", json={"mutations": [note()]}, headers=app.headers, follow_redirects=False
    )
    got = await app.http.get(f"{path}?mutationsSince=0", headers=app.headers, follow_redirects=False)
    assert page_of(made)["mutations"] == page_of(got)["mutations"]


async def test_users_do_not_see_each_other(bridged: Bridged, app: App, user: str) -> None:
    await app.pushed(note())
    assert page_of(await App(bridged, f"{user}-other").get())["lastMutationAt"] == -1
