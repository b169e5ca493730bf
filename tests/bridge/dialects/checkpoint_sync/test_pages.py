"""Pulls: pages, tokens, and what happens when a token's history is gone."""

from typing import Any

import pytest
from sqlalchemy import update

from bridge.bridged import Bridged, bridged_on
from bridge.dialects.checkpoint_sync.app import App, data_of, edit, refusal
from harness import make_project, opened_engines, settings_for, started_server
from syncline_server.store.tables import epochs, heads


async def test_250_changes_come_in_three_pages_oldest_first(app: App) -> None:
    await app.push(*(edit(entity_id=f"t{number:03}") for number in range(250)))
    pages = [await app.pull()]
    while pages[-1]["has_more"]:
        pages.append(await app.pull(pages[-1]["checkpoint_token"]))
    assert [len(page["changes"]) for page in pages] == [100, 100, 50]
    seen = [row["entity_id"] for page in pages for row in page["changes"]]
    assert seen == [f"t{number:03}" for number in range(250)]


async def test_exactly_a_hundred_changes_leave_nothing_more(app: App) -> None:
    await app.push(*(edit(entity_id=f"t{number}") for number in range(100)))
    page = await app.pull()
    assert (len(page["changes"]), page["has_more"]) == (100, False)


async def test_a_client_that_ignores_has_more_still_gets_everything(app: App) -> None:
    await app.push(*(edit(entity_id=f"t{number}") for number in range(150)))
    first = await app.pull()
    await app.push(edit(entity_id="later"))
    second = await app.pull(first["checkpoint_token"])
    assert len({row["entity_id"] for row in first["changes"] + second["changes"]}) == 151


async def test_an_empty_pull_returns_a_token_that_works(app: App) -> None:
    page = await app.pull()
    assert (page["changes"], page["has_more"]) == ([], False)
    assert page["checkpoint_token"]
    assert (await app.pull(page["checkpoint_token"]))["changes"] == []


@pytest.mark.parametrize(
    ("then", "action", "data"),
    [
        (edit("update", data={"b": 2}, at=3600), "update", {"a": 1, "b": 2}),
        (edit("delete", at=3600), "delete", {}),
    ],
)
async def test_the_action_is_relative_to_the_checkpoint(
    app: App, then: dict[str, Any], action: str, data: dict[str, Any]
) -> None:
    await app.push(edit(data={"a": 1}))
    token = (await app.pull())["checkpoint_token"]
    await app.push(then)
    [since] = (await app.pull(token))["changes"]
    assert (since["action"], since["data"]) == (action, data)
    [anew] = (await app.pull())["changes"]
    assert anew["action"] == ("delete" if action == "delete" else "create")


async def test_only_the_type_that_was_asked_for_comes(app: App) -> None:
    types = ["todo", "todos", "collections.posts", "to_do", "TODO", "_a-b"]
    await app.push(*(edit(entity_id=kind, entity_type=kind) for kind in types))
    for kind in types:
        assert [row["entity_id"] for row in (await app.pull(entity_type=kind))["changes"]] == [kind]


async def test_a_token_is_good_for_any_type(app: App) -> None:
    await app.push(edit())
    token = (await app.pull())["checkpoint_token"]
    await app.push(edit(entity_id="n", entity_type="note"))
    assert len((await app.pull(token, "note"))["changes"]) == 1


async def test_both_paths_are_one(app: App) -> None:
    answers = []
    for path in ("/client/sync", "/v1/client/sync"):
        pushed = await app.http.post(path, json={"changes": [edit(at="2026-01-31T12:00:00Z")]}, headers=app.headers)
        pulled = await app.http.get(path, params={"entity_type": "todo"}, headers=app.headers)
        answers.append((data_of(pushed), data_of(pulled)))
    assert answers[0] == answers[1]


async def test_a_token_of_an_expired_epoch_starts_over(database_url: str, user: str) -> None:
    settings = settings_for(database_url)
    project = await make_project(settings)
    async with started_server(settings, project) as server, bridged_on(server) as bridged:
        app = App(bridged, user, device="phone")
        await app.push(edit(data={"a": 1}))
        token = (await app.pull())["checkpoint_token"]
        assert "reset" not in await app.pull(token)
    await _begin_new_history(database_url)
    async with started_server(settings, project) as server, bridged_on(server) as bridged:
        app = App(bridged, user, device="laptop")
        page = await app.pull(token)
        assert page["reset"] is True
        assert [(row["action"], row["data"]) for row in page["changes"]] == [("create", {"a": 1})]
        assert "reset" not in await app.pull(page["checkpoint_token"])
        pushed = await app.push(edit(entity_id="t2"), checkpoint_token=token)
        assert len((await app.pull(pushed["checkpoint_token"]))["changes"]) == 2


async def _begin_new_history(database_url: str) -> None:
    async with opened_engines(settings_for(database_url)) as engines, engines.writing.begin() as connection:
        await connection.execute(update(epochs).values(id=epochs.c.id // 2))
        await connection.execute(update(heads).values(epoch_id=heads.c.epoch_id // 2))


@pytest.mark.parametrize(
    "damage",
    [
        lambda token: token[:-1],
        lambda token: token[1:],
        lambda token: token + "A",
        lambda token: token[:20] + ("A" if token[20] != "A" else "B") + token[21:],
        lambda _: "garbage",
        lambda _: "é",
        lambda _: "null",
    ],
)
async def test_a_damaged_token_is_refused_by_both_verbs(app: App, damage: Any) -> None:
    bad = damage((await app.push(edit()))["checkpoint_token"])
    before = await app.pull()
    for response in (await app.get(bad), await app.post(edit(entity_id="t2"), checkpoint_token=bad)):
        assert refusal(response)[:2] == (400, "INVALID_INPUT")
    assert await app.pull() == before


async def test_a_token_of_another_user_or_project_is_refused(bridged: Bridged, app: App, user: str) -> None:
    other_user = App(bridged, f"{user}-other")
    project = await make_project(bridged.server.settings, f"project-{user}")
    other_project = App(bridged, user)
    other_project.headers = {"x-api-key": project.client_key, "authorization": f"Bearer {project.token(user)}"}
    token = (await app.push(edit()))["checkpoint_token"]
    for other in (other_user, other_project):
        assert refusal(await other.get(token))[:2] == (400, "INVALID_INPUT")
        assert (await other.pull())["changes"] == []
