"""POST: its fields, its answers, and against which head it is accepted."""

import asyncio
import json
import re
from typing import Any

import pytest

from bridge.dialects.mutation_sync.app import (
    MEMBERS,
    PAGE_MEMBERS,
    App,
    ayah,
    create,
    delete,
    note,
    page_of,
    refusal,
    update,
)

OUT_OF_SYNC = (409, "conflict", "Invalid lastMutationAt, please re-sync your data and try again.")


async def test_every_member_is_there_and_no_other(app: App) -> None:
    page = page_of(await app.post(-1, note(), ayah()))
    assert set(page) == PAGE_MEMBERS
    assert [set(mutation) for mutation in page["mutations"]] == [MEMBERS] * 2


async def test_the_head_is_the_last_timestamp_and_the_header(app: App) -> None:
    response = await app.post(-1, note("a"), note("b"), note("c"))
    page = page_of(response)
    assert page["lastMutationAt"] == page["mutations"][-1]["timestamp"] == await app.head()
    assert response.headers["x-mutation-at"] == str(page["lastMutationAt"])


async def test_page_limit_total_and_more_are_those_of_one_page(app: App) -> None:
    page = page_of(await app.post(-1, note("a"), note("b")))
    assert (page["page"], page["limit"], page["total"], page["hasMore"]) == (1, 100, 2, False)


async def test_every_number_is_a_json_integer(app: App) -> None:
    response = await app.send("-1.0", json.dumps({"mutations": [note(), note()]}))
    numbers = re.findall(r":(-?\d[^,}]*)", response.text)
    assert len(numbers) == 6
    assert all(re.fullmatch(r"-?\d+", number) for number in numbers)


async def test_answers_keep_count_order_type_and_id(app: App) -> None:
    [kept, gone] = [row["resourceId"] for row in await app.pushed(note("kept"), note("gone"))]
    sent = [
        update("NOTE", kept, body="x"),
        delete("NOTE", gone),
        create("NOTE", gone, body="back"),
        create("NOTE", "client-made", body="y"),
        create("COLLECTION", name="c"),
        update("NOTE", "client-made", more=1),
        delete("NOTE", kept),
    ]
    answers = await app.pushed(*sent)
    assert [(row["type"], row["resource"]) for row in answers] == [(row["type"], row["resource"]) for row in sent]
    made = answers[4]["resourceId"]
    expected = [kept, gone, gone, "client-made", made, "client-made", kept]
    assert [row["resourceId"] for row in answers] == expected
    assert all(row["resourceId"].strip() for row in answers)


async def test_data_is_the_full_stored_version_and_empty_for_a_delete(app: App) -> None:
    [made] = await app.pushed(note("a", ranges=["1:1-1:2"]))
    assert made["data"] == {"body": "a", "ranges": ["1:1-1:2"]}
    [changed] = await app.pushed(update("NOTE", made["resourceId"], body="b"))
    assert changed["data"] == {"body": "b", "ranges": ["1:1-1:2"]}
    [gone] = await app.pushed(delete("NOTE", made["resourceId"]))
    assert gone["data"] == {}


async def test_an_update_merges_and_null_is_a_value(app: App) -> None:
    [made] = await app.pushed(create("COLLECTION", name="a", color="red", deep={"x": 1, "y": 2}))
    await app.pushed(update("COLLECTION", made["resourceId"], color=None, deep={"x": 3}))
    assert (await app.rows())[0]["data"] == {"name": "a", "color": None, "deep": {"x": 3}}


async def test_data_is_opaque_and_exact_to_the_text(app: App) -> None:
    exact = r'{"n":9007199254740993,"m":18446744073709551616,"p":1.10,"q":1e2,"z":-0.0,"s":"\u0000\u00e9","t":[1.0,{}]}'
    answer = await app.send(-1, '{"mutations":[{"type":"CREATE","resource":"NOTE","data":' + exact + "}]}")
    assert f'"data":{exact},' in answer.text
    assert f'"data":{exact},' in (await app.get()).text


async def test_the_clients_own_times_are_stored_as_sent(app: App) -> None:
    times: dict[str, Any] = {"clientCreatedAt": "1999-01-01T00:00:00Z", "clientUpdatedAt": 4102444800000}
    [made] = await app.pushed(note(**times))
    assert made["data"] == {"body": "a", **times}
    assert made["timestamp"] == (await app.rows())[0]["timestamp"] > 1_700_000_000_000


async def test_a_verbatim_repeat_is_refused_and_changes_nothing(app: App) -> None:
    assert (await app.post(-1, note())).status_code == 200
    before = await app.rows()
    assert refusal(await app.post(-1, note())) == OUT_OF_SYNC
    assert await app.rows() == before


@pytest.mark.parametrize("at", [0, 1, -2, "-0.0", "-1.5", 10**15, "9" * 20, "1e99", 1_795_290_000_000])
async def test_anything_but_what_get_returns_is_refused_for_an_empty_user(app: App, at: object) -> None:
    response = await app.post(at, note())
    assert refusal(response) == OUT_OF_SYNC
    assert response.json()["error"]["code"] == "OutOfSyncError"
    assert await app.rows() == []


@pytest.mark.parametrize("off", ["-1", "0", "{}.5", "{}0"])
async def test_anything_but_what_get_returns_is_refused(app: App, off: str) -> None:
    await app.pushed(note())
    assert refusal(await app.post(off.format(await app.head()), note())) == OUT_OF_SYNC


@pytest.mark.parametrize("off_ms", [-1, 1])
async def test_a_head_off_by_a_millisecond_is_refused(app: App, off_ms: int) -> None:
    await app.pushed(note())
    assert refusal(await app.post(await app.head() + off_ms, note())) == OUT_OF_SYNC


@pytest.mark.parametrize("spelling", ["{}", "{}.0", "{}e0"])
async def test_the_head_may_be_written_as_a_decimal(app: App, spelling: str) -> None:
    await app.pushed(note())
    assert (await app.post(spelling.format(await app.head()), note())).status_code == 200


async def test_the_new_head_is_at_once_valid_for_the_next(app: App) -> None:
    at = -1
    for body in "abcd":
        page = page_of(await app.post(at, note(body)))
        assert page["lastMutationAt"] > at
        at = page["lastMutationAt"]
    assert [row["data"]["body"] for row in await app.rows()] == ["a", "b", "c", "d"]


async def test_no_mutations_are_accepted_and_leave_the_head(app: App) -> None:
    empty = page_of(await app.post(-1))
    assert empty == {"lastMutationAt": -1, "mutations": [], "page": 1, "limit": 100, "total": 0, "hasMore": False}
    await app.pushed(note())
    head = await app.head()
    response = await app.post(head)
    assert (page_of(response)["lastMutationAt"], response.headers["x-mutation-at"]) == (head, str(head))
    assert await app.head() == head
    assert refusal(await app.post(head + 1)) == OUT_OF_SYNC


async def test_of_twenty_at_once_with_one_head_one_wins(app: App) -> None:
    await app.pushed(note("first"))
    head = await app.head()
    responses = await asyncio.gather(*(app.post(head, note(f"n{number}")) for number in range(20)))
    assert sorted(response.status_code for response in responses) == [200] + [409] * 19
    assert all(refusal(response) == OUT_OF_SYNC for response in responses if response.status_code != 200)
    [winner] = [response.json()["data"]["mutations"][0] for response in responses if response.status_code == 200]
    assert [row["data"]["body"] for row in await app.rows()] == ["first", winner["data"]["body"]]


async def test_a_create_without_id_gets_one(app: App) -> None:
    made = await app.pushed(note(), note(), {**note(), "resourceId": None})
    assert len({row["resourceId"] for row in made}) == 3


async def test_a_create_with_an_id_makes_replaces_or_revives_it(app: App) -> None:
    for data in ({"body": "made"}, {"body": "replaced"}):
        [answer] = await app.pushed(create("NOTE", "n-1", **data, ranges=[]))
        assert (answer["type"], answer["resourceId"], answer["data"]) == ("CREATE", "n-1", {**data, "ranges": []})
    await app.pushed(delete("NOTE", "n-1"))
    [answer] = await app.pushed(create("NOTE", "n-1", body="revived"))
    assert (answer["type"], answer["data"]) == ("CREATE", {"body": "revived"})
    assert [row["data"] for row in await app.rows()] == [{"body": "revived"}]


async def test_a_delete_of_what_is_deleted_succeeds_again_and_moves_the_head(app: App) -> None:
    [made] = await app.pushed(note())
    await app.pushed(delete("NOTE", made["resourceId"]))
    before = await app.head()
    response = await app.post(before, delete("NOTE", made["resourceId"]))
    page = page_of(response)
    assert page["mutations"][0]["timestamp"] == page["lastMutationAt"] > before


UNSEEN = "a8b1b5a0-0000-4000-8000-000000000000"


@pytest.mark.parametrize("resource", ["BOOKMARK", "COLLECTION", "COLLECTION_BOOKMARK", "NOTE", "READING_SESSION"])
@pytest.mark.parametrize("kind", ["UPDATE", "DELETE"])
async def test_what_was_never_seen_is_404_with_its_index(app: App, kind: str, resource: str) -> None:
    mutation = {"type": kind, "resource": resource, "resourceId": UNSEEN, "data": {}}
    expected = (404, "not_found", "Resource not found at mutation[1]")
    assert refusal(await app.post(-1, note(), mutation)) == expected
    assert await app.head() == -1


async def test_an_update_of_what_is_deleted_is_404(app: App) -> None:
    [made] = await app.pushed(note())
    await app.pushed(delete("NOTE", made["resourceId"]))
    response = await app.post(await app.head(), update("NOTE", made["resourceId"], body="x"))
    assert refusal(response)[0] == 404


def bad_last_items() -> list[Any]:
    return [
        pytest.param(update("NOTE", UNSEEN, body="x"), 404, id="unseen"),
        pytest.param(create("COLLECTION_BOOKMARK", collectionId=UNSEEN, bookmarkId=UNSEEN), 404, id="no collection"),
        pytest.param({"type": "UPDATE", "resource": "NOTE"}, 422, id="no id"),
        pytest.param(note(deep=json.loads("[" * 40 + "]" * 40)), 422, id="too deep"),
        pytest.param(note("x" * 263_000), 422, id="too large"),
    ]


@pytest.mark.parametrize(("last", "status"), bad_last_items())
async def test_a_batch_that_fails_at_its_last_item_leaves_no_trace(app: App, last: dict[str, Any], status: int) -> None:
    [made, gone] = await app.pushed(note("a"), note("b"))
    before, head = await app.rows(), await app.head()
    batch = [note("new"), update("NOTE", made["resourceId"], body="z"), delete("NOTE", gone["resourceId"]), last]
    code, _, message = refusal(await app.post(head, *batch))
    assert (code, "mutation[3]" in message, "changes[" in message) == (status, True, False)
    assert (await app.rows(), await app.head()) == (before, head)


async def test_edits_of_one_resource_in_a_batch_build_on_each_other(app: App) -> None:
    answers = await app.pushed(
        create("NOTE", "n", a=1), update("NOTE", "n", b=2), delete("NOTE", "n"), create("NOTE", "n", c=3)
    )
    assert [row["data"] for row in answers] == [{"a": 1}, {"a": 1, "b": 2}, {}, {"c": 3}]
    assert [row["data"] for row in await app.rows()] == [{"c": 3}]
