"""A request with an Idempotency-Key is applied once, and answered as the first time instead of with 409."""

from typing import Any

import httpx2
import pytest

from bridge.dialects.mutation_sync.app import PATH, App, create, delete, note, page_of, refusal, update


async def post(app: App, at: int, *mutations: Any, key: str) -> httpx2.Response:
    headers = {**app.headers, "idempotency-key": key}
    return await app.http.post(PATH, params={"lastMutationAt": at}, json={"mutations": mutations}, headers=headers)


async def test_a_retry_is_answered_as_the_first_time(app: App) -> None:
    batch = [note("a"), create("COLLECTION", "c", name="x"), update("COLLECTION", "c", more="y")]
    batch += [create("COLLECTION", "d", name="x"), delete("COLLECTION", "d")]
    first = await post(app, -1, *batch, key="k")
    again = await post(app, -1, *batch, key="k")
    assert page_of(again) == page_of(first)
    assert again.headers["x-mutation-at"] == first.headers["x-mutation-at"]
    assert len(await app.rows()) == 3


async def test_a_retry_does_not_vouch_for_what_came_meanwhile(app: App) -> None:
    first = page_of(await post(app, -1, note("a"), key="k"))
    (made,) = first["mutations"]
    await app.pushed(update("NOTE", made["resourceId"], body="b"))
    again = page_of(await post(app, -1, note("a"), key="k"))
    assert again == first
    (missed,) = await app.pulled(again["lastMutationAt"])
    assert (missed["resourceId"], missed["data"]) == (made["resourceId"], {"body": "b"})
    assert refusal(await app.post(again["lastMutationAt"], note("c")))[0] == 409


async def test_an_update_that_comes_again_shows_the_data_of_today(app: App) -> None:
    (made,) = await app.pushed(note("a"))
    head = await app.head()
    changed = update("NOTE", made["resourceId"], body="b")
    await post(app, head, changed, key="k")
    await app.pushed(update("NOTE", made["resourceId"], body="c", more=1))
    (again,) = page_of(await post(app, head, changed, key="k"))["mutations"]
    assert again["data"] == {"body": "c", "more": 1}


async def test_without_a_key_a_repeated_request_is_refused(app: App) -> None:
    await app.post(-1, note("a"))
    assert refusal(await app.post(-1, note("a")))[0] == 409


async def test_other_mutations_under_the_same_key_are_refused(app: App) -> None:
    await post(app, -1, note("a"), key="k")
    status, kind, message = refusal(await post(app, await app.head(), note("b"), key="k"))
    assert (status, kind) == (422, "unprocessable_entity")
    assert "Idempotency-Key" in message
    assert len(await app.rows()) == 1


@pytest.mark.parametrize("key", ["x" * 65, '"' + "x" * 65 + '"'])
async def test_a_key_that_is_too_long_is_refused_by_name(app: App, key: str) -> None:
    status, kind, message = refusal(await post(app, -1, note("a"), key=key))
    assert (status, kind) == (422, "unprocessable_entity")
    assert message == '"Idempotency-Key" must be at most 64 bytes long'
    assert await app.rows() == []


async def test_a_quoted_key_is_the_key_that_it_quotes(app: App) -> None:
    first = page_of(await post(app, -1, note("a"), key="k"))
    assert page_of(await post(app, -1, note("a"), key='"k"')) == first
