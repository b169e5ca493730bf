"""A batch with a push_id is applied once, and each change's revision is told."""

from bridge.bridged import Bridged
from bridge.dialects.checkpoint_sync.app import App, edit, refusal


async def test_each_change_has_its_revision_and_one_that_lost_has_none(app: App) -> None:
    made = await app.push(edit("create", "a"), edit("create", "b"))
    assert len(made["revisions"]) == 2
    pulled = (await app.pull())["changes"]
    assert made["revisions"] == [one["revision"] for one in pulled]
    lost = {**edit("update", "a"), "base_revision": 1}
    answer = await app.push(edit("update", "b", {"n": 1}), lost, edit("delete", "never"))
    assert [bool(one) for one in answer["revisions"]] == [True, False, False]
    assert answer["revisions"][0] == (await app.pull())["changes"][-1]["revision"]
    assert (answer["applied"], len(answer["conflicts"])) == (2, 1)


async def test_a_batch_that_comes_again_is_answered_as_the_first_time(bridged: Bridged, app: App, user: str) -> None:
    other, token = App(bridged, user, ttl=7200), (await app.pull())["checkpoint_token"]
    batch, named = edit("create", "a", {"by": "app"}), {"push_id": "p", "checkpoint_token": token}
    first = await app.push(batch, **named)
    await other.push(edit("update", "a", {"by": "other"}, at=1))
    again = await app.push(batch, **named)
    assert again == {**first, "checkpoint_token": again["checkpoint_token"]}
    assert [one["data"] for one in (await app.pull(again["checkpoint_token"]))["changes"]] == [{"by": "other"}]


async def test_other_changes_under_the_same_id_are_refused(app: App) -> None:
    await app.push(edit("create", "a"), push_id="1")
    status, code, message = refusal(await app.post(edit("create", "b"), push_id="1"))
    assert (status, code) == (400, "INVALID_INPUT")
    assert "push_id" in message
    assert [one["entity_id"] for one in (await app.pull())["changes"]] == ["a"]


async def test_a_bad_push_id_is_refused_by_name(app: App) -> None:
    for push_id in ("x" * 65, "a\nb", 7):
        status, code, message = refusal(await app.post(edit(), push_id=push_id))
        assert (status, code) == (400, "INVALID_INPUT")
        assert "push_id" in message
    assert (await app.pull())["changes"] == []


async def test_an_empty_push_id_is_none(app: App) -> None:
    for push_id in ("", None):
        await app.push(edit("update", "a"), push_id=push_id)
        await app.push(edit("update", "b"), push_id=push_id)
