"""Entities by their ids, one or many."""

from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from bridge.dialects.checkpoint_sync.app import App, data_of, edit, refusal

PATH = "/v1/client/entities"


async def get(app: App, *names: str, path: str = PATH) -> httpx2.Response:
    entities = [{"entity_type": "todo", "entity_id": name} for name in names]
    return await app.http.post(path, json={"entities": entities}, headers=app.headers)


async def get_one(app: App, name: str, kind: str = "todo", path: str = PATH) -> httpx2.Response:
    return await app.http.get(f"{path}/{kind}/{quote(name, safe='')}", headers=app.headers)


@pytest.mark.parametrize("path", ["/v1/client/entities", "/client/entities", "/client/entities/"])
async def test_entities_come_in_the_order_of_the_request(app: App, path: str) -> None:
    await app.push(edit(entity_id="a", data={"n": 1}), edit(entity_id="b"), edit("delete", "b"))
    found = data_of(await get(app, "b", "never", "a", "b", path=path))
    assert [(one["entity_id"], one["action"]) for one in found["entities"]] == [("b", "delete"), ("a", "create")]
    assert found["entities"][1] == (await app.pull())["changes"][0]
    assert found["unread"] == 0


async def test_an_answer_that_is_cut_by_size_says_what_is_unread(app: App) -> None:
    for number in range(0, 12, 4):
        await app.push(*(edit(entity_id=f"t{number + one}", data={"x": "x" * 250_000}) for one in range(4)))
    names = [f"t{number}" for number in range(12)]
    found = data_of(await get(app, *names))
    assert [one["entity_id"] for one in found["entities"]] == names[:8]
    assert found["unread"] == 4


@pytest.mark.parametrize(
    "name", ["a", "a/b", "/", "a/", "//a", "100%", "%2F", "é ü", "?x=1#y", "a+b", "entities", "x" * 128]
)
async def test_an_entity_is_found_by_whatever_id_it_has(app: App, name: str) -> None:
    await app.push(edit(entity_id=name, data={"n": 1}))
    found = data_of(await get_one(app, name))
    assert (found["entity_id"], found["action"], found["data"]) == (name, "create", {"n": 1})
    assert data_of(await get(app, name))["entities"] == [found]


async def test_a_slash_at_the_end_of_the_path_belongs_to_no_id(app: App) -> None:
    await app.push(edit(entity_id="a"))
    answer = await app.http.get("/client/entities/todo/a/", headers=app.headers)
    assert data_of(answer)["entity_id"] == "a"


async def test_a_deleted_entity_is_told_and_one_that_never_was_is_404(app: App) -> None:
    await app.push(edit(entity_id="a"), edit("delete", "a"))
    gone = data_of(await get_one(app, "a"))
    assert (gone["action"], gone["data"]) == ("delete", {})
    assert refusal(await get_one(app, "never")) == (404, "NOT_FOUND", "There is no such entity.")


async def test_a_type_that_the_session_may_not_use_is_403(app: App, bridged: Any, user: str) -> None:
    await app.push(edit(entity_id="a"))
    limited = App(bridged, user, scope="sync memo")
    assert refusal(await get_one(limited, "a"))[:2] == (403, "FORBIDDEN")
    assert refusal(await get(limited, "a"))[:2] == (403, "FORBIDDEN")
    assert data_of(await get(limited))["entities"] == []


async def test_what_is_malformed_is_named(app: App) -> None:
    kind = "entity_type: must be a letter or _, then letters, digits, _ . -; at most 64 characters"
    assert refusal(await get_one(app, "a", kind="to%20do")) == (400, "INVALID_INPUT", kind)
    answer = await get_one(app, "x" * 129)
    assert refusal(answer) == (400, "INVALID_INPUT", "entity_id: must be 1 to 128 bytes long")
    assert answer.json()["error"]["details"]["field"] == "entity_id"
    assert refusal(await get(app, "a", "")) == (
        400,
        "INVALID_INPUT",
        "entities[1].entity_id: must be 1 to 128 bytes long",
    )
    answer = await app.http.get("/client/entities/todo/%FF", headers=app.headers)
    assert refusal(answer)[:2] == (400, "INVALID_INPUT")
    too_many = await get(app, *[f"t{number}" for number in range(1001)])
    assert refusal(too_many) == (400, "INVALID_INPUT", "entities: must be at most 1000, got 1001")


@pytest.mark.parametrize("body", ["[]", "{}", '{"entities":{}}', '{"entities":[{"entity_type":"todo"}]}', "x"])
async def test_a_body_that_names_no_entities_is_refused(app: App, body: str) -> None:
    answer = await app.http.post(PATH, content=body, headers=app.headers)
    assert refusal(answer)[:2] == (400, "INVALID_INPUT")
