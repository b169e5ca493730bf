"""What makes two mutations speak of the same resource, for each of the five."""

from typing import Any

import pytest

from bridge.dialects.mutation_sync.app import App, ayah, create, delete, note, page_of, refusal, update

LINK = "COLLECTION_BOOKMARK"


def place(**data: Any) -> dict[str, Any]:
    return create("BOOKMARK", **data)


async def made_collection(app: App, name: str = "c") -> str:
    [row] = await app.pushed(create("COLLECTION", name=name))
    return str(row["resourceId"])


async def made_bookmark(app: App, **data: Any) -> str:
    [row] = await app.pushed(place(**(data or {"type": "page", "key": 1})))
    return str(row["resourceId"])


def spelled(collection: str, bookmark: str) -> dict[str, str]:
    return {"collectionId": collection, "collection": collection, "bookmarkId": bookmark, "bookmark": bookmark}


@pytest.mark.parametrize(
    ("resource", "data"),
    [
        ("BOOKMARK", {"type": "surah", "key": 2, "isReading": True, "mushaf": 4}),
        ("COLLECTION", {"name": "c", "isDefault": True, "isSystem": False, "unheardOf": [None]}),
        ("NOTE", {"body": "b", "ranges": ["1:1-1:7"]}),
        ("READING_SESSION", {"chapterNumber": 2, "verseNumber": 255}),
    ],
)
async def test_every_simple_resource_keeps_all_its_members(app: App, resource: str, data: dict[str, Any]) -> None:
    [made] = await app.pushed(create(resource, **data))
    assert made["data"] == data
    [row] = await app.rows()
    assert (row["resource"], row["resourceId"], row["data"]) == (resource, made["resourceId"], data)


SAME_PLACES = [
    ({"type": "ayah", "key": 2, "verseNumber": 255}, {"type": "ayah", "key": 2, "verseNumber": 255}),
    ({"type": "ayah", "key": 2, "verseNumber": 255}, {"bookmarkType": "ayah", "key": 2, "verseNumber": 255}),
    ({"type": "ayah", "key": 2, "verseNumber": 255}, {"type": "ayah", "key": 2, "verseNumber": 255, "mushaf": 1}),
    ({"type": "page", "key": 7, "mushaf": 4}, {"type": "page", "key": 7, "mushafId": 4}),
    ({"type": "page", "key": 7}, {"type": "page", "key": 7, "verseNumber": None, "mushaf": None}),
    ({"type": "surah", "key": 7}, {"type": "surah", "key": 7, "verseNumber": 1, "isReading": True}),
    ({"type": "juz", "key": 30}, {"type": "juz", "key": 30, "other": "x"}),
]


@pytest.mark.parametrize(("first", "second"), SAME_PLACES)
async def test_a_bookmark_at_the_same_place_is_the_same(
    app: App, first: dict[str, Any], second: dict[str, Any]
) -> None:
    assert await made_bookmark(app, **first) == await made_bookmark(app, **second)
    assert [row["data"] for row in await app.rows()] == [second]


async def test_numbers_of_a_place_may_be_written_in_any_way(app: App) -> None:
    known = await made_bookmark(app, type="page", key=10)
    body = '{"mutations":[{"type":"CREATE","resource":"BOOKMARK","data":{"type":"page","key":%s}}]}'
    for spelling in ("10.0", "1e1"):
        answer = await app.send(await app.head(), body % spelling)
        assert page_of(answer)["mutations"][0]["resourceId"] == known
        assert f'"key":{spelling}}}' in answer.text


async def test_bookmarks_at_other_places_are_others(app: App) -> None:
    places = [
        {"type": "ayah", "key": 2, "verseNumber": 255},
        {"type": "ayah", "key": 2, "verseNumber": 256},
        {"type": "ayah", "key": 3, "verseNumber": 255},
        {"type": "ayah", "key": 2, "verseNumber": 255, "mushaf": 2},
        {"type": "surah", "key": 2},
        {"type": "page", "key": 2},
        {"type": "juz", "key": 2},
    ]
    made = await app.pushed(*(place(**data) for data in places))
    assert len({row["resourceId"] for row in made}) == len(await app.rows()) == len(places)


async def test_a_deleted_place_comes_back_under_its_id(app: App) -> None:
    known = await made_bookmark(app)
    await app.pushed(delete("BOOKMARK", known))
    assert await made_bookmark(app) == known
    assert [row["type"] for row in await app.rows()] == ["CREATE"]


@pytest.mark.parametrize(
    "data", [{}, {"type": "page"}, {"key": 1}, {"type": "page", "key": [1]}, {"type": 1, "key": {}}]
)
async def test_a_bookmark_without_a_place_gets_an_id_of_its_own(app: App, data: dict[str, Any]) -> None:
    made = await app.pushed(place(**data), place(**data))
    assert made[0]["resourceId"] != made[1]["resourceId"]
    assert [row["data"] for row in made] == [data, data]


async def test_an_id_that_is_given_counts_before_the_place(app: App) -> None:
    [made] = await app.pushed(create("BOOKMARK", "mine", type="page", key=1))
    assert made["resourceId"] == "mine"


@pytest.mark.parametrize(("collection", "bookmark"), [("collectionId", "bookmarkId"), ("collection", "bookmark")])
async def test_a_link_takes_both_spellings_and_answers_both(app: App, collection: str, bookmark: str) -> None:
    ids = (await made_collection(app), await made_bookmark(app))
    [link] = await app.pushed(create(LINK, **{collection: ids[0], bookmark: ids[1]}, position=3))
    assert link["resourceId"] == f"{ids[0]}-{ids[1]}"
    assert link["data"] == {**spelled(*ids), "position": 3}
    assert (await app.rows())[-1]["data"] == link["data"]


async def test_a_link_may_repeat_its_id(app: App) -> None:
    ids = (await made_collection(app), await made_bookmark(app))
    resource_id = f"{ids[0]}-{ids[1]}"
    [link] = await app.pushed(create(LINK, resource_id, collectionId=ids[0], bookmarkId=ids[1]))
    assert link["resourceId"] == resource_id


async def test_ids_in_a_link_may_contain_hyphens(app: App) -> None:
    await app.pushed(create("COLLECTION", "c-1-2", name="x"), create("BOOKMARK", "b-3", type="page", key=1))
    [link] = await app.pushed(create(LINK, collectionId="c-1-2", bookmarkId="b-3"))
    assert (link["resourceId"], link["data"]) == ("c-1-2-b-3", spelled("c-1-2", "b-3"))
    [gone] = await app.pushed(delete(LINK, "c-1-2-b-3"))
    assert (gone["resourceId"], gone["data"]) == ("c-1-2-b-3", spelled("c-1-2", "b-3"))


@pytest.mark.parametrize(
    "data",
    [
        {"type": "ayah", "key": 2, "verseNumber": 255},
        {"bookmarkType": "ayah", "key": 2, "verseNumber": 255, "mushafId": 1},
    ],
)
async def test_a_link_may_name_a_new_bookmark_by_its_place(app: App, data: dict[str, Any]) -> None:
    collection = await made_collection(app)
    before = await app.head()
    page = page_of(await app.post(before, create(LINK, collectionId=collection, **data)))
    [link] = page["mutations"]
    assert page["total"] == 1
    assert link["timestamp"] == page["lastMutationAt"]
    rows = await app.pulled(before)
    assert [(row["resource"], row["type"]) for row in rows] == [("BOOKMARK", "CREATE"), (LINK, "CREATE")]
    assert rows[0]["data"] == data
    assert link["data"] == {**spelled(collection, rows[0]["resourceId"]), **data}
    assert await made_bookmark(app, **data) == rows[0]["resourceId"]


async def test_a_link_by_place_leaves_a_bookmark_that_is_there_as_it_is(app: App) -> None:
    collection = await made_collection(app)
    bookmark = await made_bookmark(app, type="page", key=5, isReading=True, note="mine")
    before = await app.head()
    [link] = await app.pushed(create(LINK, collectionId=collection, type="page", key=5))
    assert link["data"]["bookmarkId"] == bookmark
    assert [row["resource"] for row in await app.pulled(before)] == [LINK]
    assert (await app.rows())[1]["data"] == {"type": "page", "key": 5, "isReading": True, "note": "mine"}


async def test_a_link_by_place_revives_a_deleted_bookmark(app: App) -> None:
    collection, bookmark = await made_collection(app), await made_bookmark(app)
    await app.pushed(delete("BOOKMARK", bookmark))
    await app.pushed(create(LINK, collectionId=collection, type="page", key=1))
    assert [row["type"] for row in await app.rows()] == ["CREATE"] * 3


async def test_answers_match_the_request_among_many_links_by_place(app: App) -> None:
    collection = await made_collection(app)
    sent = [
        create(LINK, collectionId=collection, type="page", key=1),
        note("between"),
        create(LINK, collection=collection, type="page", key=2),
        ayah(),
        create(LINK, collectionId=collection, type="ayah", key=2, verseNumber=255),
    ]
    answers = await app.pushed(*sent)
    assert [row["resource"] for row in answers] == [row["resource"] for row in sent]
    assert answers[4]["data"]["bookmarkId"] == answers[3]["resourceId"]
    assert len(await app.rows()) == 1 + 5 + 2


@pytest.mark.parametrize("named", [{"bookmarkId": "b"}, {"type": "page", "key": 1}])
async def test_a_link_to_an_unknown_collection_is_404_with_its_index(app: App, named: dict[str, Any]) -> None:
    collection = await made_collection(app)
    head = await app.head()
    good = create(LINK, collectionId=collection, type="page", key=9)
    response = await app.post(head, good, good, create(LINK, collectionId="unheard-of", **named))
    assert refusal(response) == (404, "not_found", "Resource not found at mutation[2]")
    assert await app.head() == head


async def test_a_link_to_a_deleted_collection_is_404(app: App) -> None:
    collection = await made_collection(app)
    await app.pushed(delete("COLLECTION", collection))
    response = await app.post(await app.head(), create(LINK, collectionId=collection, bookmarkId="b"))
    assert refusal(response)[0] == 404


async def test_a_link_to_a_collection_of_the_same_batch_is_fine(app: App) -> None:
    await app.pushed(create("COLLECTION", "new", name="x"), create(LINK, collectionId="new", bookmarkId="b"))


async def test_a_link_to_a_bookmark_that_is_not_there_is_accepted(app: App) -> None:
    collection = await made_collection(app)
    [link] = await app.pushed(create(LINK, collectionId=collection, bookmarkId="elsewhere"))
    assert link["data"] == spelled(collection, "elsewhere")


LOOK_ALIKES = [("my-list", "b"), ("my", "list-b")]
"""Collection and bookmark of two links whose ids, joined, are one."""


async def test_a_link_never_takes_the_place_of_one_that_looks_like_it(app: App) -> None:
    first, second = [{"collectionId": one, "bookmarkId": other} for one, other in LOOK_ALIKES]
    await app.pushed(create("COLLECTION", "my-list"), create("COLLECTION", "my"), create(LINK, **first, n=1))
    before = await app.rows()
    taken = "The resourceId is that of another resource, made of other ids, at mutation[1]"
    sent = [{"type": kind, "resource": LINK, "data": second} for kind in ("CREATE", "UPDATE", "DELETE")]
    sent.append({**update(LINK, "my-list-b"), "data": {"collection": "my"}})
    for one in sent:
        response = await app.post(await app.head(), note("goes with it"), one)
        assert refusal(response) == (409, "conflict", taken)
        assert response.json()["error"]["code"] == "ResourceIdTaken"
        assert await app.rows() == before
    await app.pushed({"type": "DELETE", "resource": LINK, "resourceId": "my-list-b"})
    assert (await app.rows())[-1]["data"] == spelled(*LOOK_ALIKES[0]), "others may hold it still"
    assert refusal(await app.post(await app.head(), note("x"), sent[0]))[2] == taken


async def test_two_links_of_one_batch_never_pass_for_one(app: App) -> None:
    await app.pushed(create("COLLECTION", "my-list"), create("COLLECTION", "my"))
    links = [create(LINK, collectionId=one, bookmarkId=other) for one, other in LOOK_ALIKES]
    assert (await app.post(await app.head(), *links)).status_code == 409
    assert len(await app.rows()) == 2


async def test_a_link_has_one_id_a_part_however_often_it_is_spelled(app: App) -> None:
    await app.pushed(create("COLLECTION", "c"))
    [link] = await app.pushed(create(LINK, collectionId="c", collection="other", bookmark="b"))
    assert link["data"] == (await app.rows())[-1]["data"] == spelled("c", "b")


def deletes_of(collection: str, bookmark: str) -> list[dict[str, Any]]:
    base = {"type": "DELETE", "resource": LINK}
    return [
        {**base, "resourceId": f"{collection}-{bookmark}"},
        {**base, "resourceId": f"{collection}-{bookmark}", "data": {}},
        {**base, "resourceId": f"{collection}-{bookmark}", "data": None},
        {**base, "data": {"collectionId": collection, "bookmarkId": bookmark}},
        {**base, "data": {"collection": collection, "bookmark": bookmark}},
        {**base, "data": {"collectionId": collection, "type": "page", "key": 1}},
    ]


@pytest.mark.parametrize("form", range(6))
async def test_tombstones_of_links_carry_both_ids(app: App, form: int) -> None:
    collection, bookmark = await made_collection(app), await made_bookmark(app)
    await app.pushed(create(LINK, collectionId=collection, bookmarkId=bookmark, secret="x"))
    for _ in range(2):  # the second time it is a tombstone already
        [gone] = await app.pushed(deletes_of(collection, bookmark)[form])
        assert (gone["type"], gone["resourceId"]) == ("DELETE", f"{collection}-{bookmark}")
        assert gone["data"] == spelled(collection, bookmark)
        row = (await app.rows())[-1]
        assert (row["type"], row["resourceId"], row["data"]) == ("DELETE", gone["resourceId"], gone["data"])


async def test_an_update_of_a_link_merges_and_keeps_its_ids(app: App) -> None:
    collection, bookmark = await made_collection(app), await made_bookmark(app)
    [link] = await app.pushed(create(LINK, collectionId=collection, bookmarkId=bookmark, a=1))
    [changed] = await app.pushed(update(LINK, link["resourceId"], b=2))
    assert changed["data"] == {**spelled(collection, bookmark), "a": 1, "b": 2}
    by_ids = {"type": "UPDATE", "resource": LINK, "data": {"collectionId": collection, "bookmarkId": bookmark, "a": 5}}
    [changed] = await app.pushed(by_ids)
    assert (changed["resourceId"], changed["data"]["a"]) == (link["resourceId"], 5)
    assert (await app.rows())[-1]["data"] == {**spelled(collection, bookmark), "a": 5, "b": 2}
