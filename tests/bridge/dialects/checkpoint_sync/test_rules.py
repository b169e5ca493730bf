"""The rules of push that this dialect can express, each once through HTTP."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.dialects.checkpoint_sync.app import App, edit, refusal

Devices = Callable[[str], App]


async def stored(app: App) -> dict[str, Any]:
    """Return what is there, by id; None where it is deleted."""
    changes = (await app.pull())["changes"]
    return {row["entity_id"]: None if row["action"] == "delete" else row["data"] for row in changes}


async def test_every_member_of_an_answer_is_there(app: App) -> None:
    pushed = await app.push(edit(data={"a": 1}, at="2026-01-31T12:00:00.5+01:00"))
    assert set(pushed) == {"applied", "conflicts", "checkpoint_token", "revisions"}
    assert (pushed["applied"], pushed["conflicts"]) == (1, [])
    pulled = await app.pull()
    assert set(pulled) == {"changes", "checkpoint_token", "has_more"}
    assert pulled["changes"][0].pop("revision") > 0
    assert pulled["changes"] == [
        {
            "entity_type": "todo",
            "entity_id": "t1",
            "action": "create",
            "data": {"a": 1},
            "client_timestamp": "2026-01-31T11:00:00.500Z",
        }
    ]


async def test_all_or_nothing_of_a_batch_with_a_malformed_change(app: App) -> None:  # P1
    response = await app.post(edit(), edit(entity_id=""))
    assert refusal(response)[:2] == (400, "INVALID_INPUT")
    assert "changes[1]" in refusal(response)[2]
    assert await stored(app) == {}


async def test_edits_of_one_entity_in_one_batch_do_not_conflict(app: App) -> None:  # P2
    answer = await app.push(edit(data={"n": 1}, at=-50), edit("update", data={"m": 2}, at=-90), edit("delete", at=-99))
    assert (answer["applied"], answer["conflicts"]) == (3, [])
    assert await stored(app) == {"t1": None}


async def test_a_retry_is_applied_once_and_counts(app: App) -> None:  # P3
    batch = [edit(data={"n": 1}, at=-5), edit("update", data={"n": 2}, at=-4), edit(entity_id="t2", at=-3)]
    first = await app.push(*batch)
    before = await app.pull()
    for _ in range(2):
        again = await app.push(*batch)
        assert (again["applied"], again["conflicts"]) == (first["applied"], []) == (3, [])
    assert await app.pull(before["checkpoint_token"]) == {
        "changes": [],
        "checkpoint_token": before["checkpoint_token"],
        "has_more": False,
    }


async def test_the_server_wins_over_an_older_edit_of_another_device(device: Devices) -> None:  # P4, device known
    phone, laptop = device("phone"), device("laptop")
    await phone.push(edit(data={"by": "phone"}))
    answer = await laptop.push(edit("update", data={"by": "laptop"}, at=-60))
    assert answer["applied"] == 0
    [conflict] = answer["conflicts"]
    last_synced_at = conflict["server_data"].pop("last_synced_at")
    assert conflict.pop("revision") > 0
    assert conflict == {
        "entity_type": "todo",
        "entity_id": "t1",
        "resolution": "server_wins",
        "server_data": {"by": "phone"},
    }
    assert last_synced_at.endswith("Z")
    assert len(last_synced_at) == len("2026-01-31T12:00:00.123Z")
    assert (await laptop.push(edit("update", data={"by": "laptop"}, at=60)))["applied"] == 1
    assert await stored(phone) == {"t1": {"by": "laptop"}}


async def test_a_base_revision_decides_a_conflict_in_place_of_any_clock(app: App) -> None:  # P6
    await app.push(edit(data={"n": 1}))
    revision = (await app.pull())["changes"][0]["revision"]
    won = await app.push({**edit("update", data={"n": 2}, at=-3600), "base_revision": revision})
    assert (won["applied"], won["conflicts"]) == (1, [])
    lost = await app.push({**edit("update", data={"n": 3}, at=3600), "base_revision": revision})
    assert [conflict["server_data"]["n"] for conflict in lost["conflicts"]] == [2]
    assert lost["conflicts"][0]["revision"] == (await app.pull())["changes"][0]["revision"]
    assert (await app.push({**edit(entity_id="new"), "base_revision": 0}))["applied"] == 1


async def test_a_known_device_never_loses_against_itself(device: Devices) -> None:  # P4, its own version
    phone = device("phone")
    await phone.push(edit(data={"n": 1}, at=-60))
    answer = await phone.push(edit("update", data={"n": 2}, at=-50))
    assert (answer["applied"], answer["conflicts"]) == (1, [])
    stale = await phone.push(edit("update", data={"n": 3}, at=-55))
    assert [conflict["server_data"]["n"] for conflict in stale["conflicts"]] == [2]


async def test_a_session_is_judged_by_its_own_clock(app: App) -> None:  # P4, device unknown
    await app.push(edit(data={"n": 1}, at=-60))
    assert (await app.push(edit("update", data={"n": 2}, at=-50)))["applied"] == 1
    answer = await app.push(edit("update", data={"n": 3}, at=-55))
    assert [conflict["server_data"]["n"] for conflict in answer["conflicts"]] == [2]


async def test_a_time_far_ahead_is_taken_and_shown_as_that_of_the_commit(app: App) -> None:  # P4
    await app.push(edit(at=30 * 86_400))
    [shown] = (await app.pull())["changes"]
    assert datetime.fromisoformat(shown["client_timestamp"]) <= datetime.now(UTC)


async def test_the_header_may_name_the_device(app: App) -> None:
    app.headers["x-device-id"] = "phone"
    await app.push(edit(data={"n": 1}, at=-60))
    assert (await app.push(edit("update", data={"n": 2}, at=-50)))["applied"] == 1


async def test_a_conflict_with_a_tombstone_says_deleted(device: Devices) -> None:
    await device("phone").push(edit(), edit("delete"))
    answer = await device("laptop").push(edit("update", data={"n": 2}, at=60))
    assert answer["conflicts"][0]["server_data"]["deleted"] is True


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([edit(data={"a": 1}), edit(data={"b": 2})], {"t1": {"b": 2}}),
        (
            [edit(data={"a": 1, "b": {"x": 1}}), edit("update", data={"b": {}, "c": None})],
            {"t1": {"a": 1, "b": {}, "c": None}},
        ),
        ([edit("update", data={"a": 1})], {"t1": {"a": 1}}),
        ([edit("delete")], {}),
        ([edit(data={"a": 1}), edit("delete")], {"t1": None}),
        ([edit(), edit("delete"), edit(data={"back": 1})], {"t1": {"back": 1}}),
        ([edit("insert", data={"a": 1}), edit("UPDATE", data={"b": 2})], {"t1": {"a": 1, "b": 2}}),
    ],
)
async def test_actions(device: Devices, changes: list[dict[str, Any]], expected: dict[str, Any]) -> None:  # P5
    for number, one in enumerate(changes):
        answer = await device("phone").push({**one, "client_timestamp": edit(at=number)["client_timestamp"]})
        assert (answer["applied"], answer["conflicts"]) == (1, [])
    assert await stored(device("phone")) == expected


async def test_a_create_needs_an_id_here(app: App) -> None:  # P8 is for dialects that can return it
    assert refusal(await app.post(edit(entity_id="")))[0] == 400


async def test_the_token_of_a_push_skips_nothing_of_another_device(device: Devices) -> None:  # P9
    phone, laptop = device("phone"), device("laptop")
    start = (await phone.pull())["checkpoint_token"]
    await laptop.push(edit(entity_id="from-laptop"))
    token = (await phone.push(edit(entity_id="from-phone")))["checkpoint_token"]
    assert [row["entity_id"] for row in (await phone.pull(token))["changes"]] == ["from-laptop", "from-phone"]
    assert [row["entity_id"] for row in (await phone.pull(start))["changes"]] == ["from-laptop", "from-phone"]


async def test_the_token_of_a_push_moves_along_for_a_client_that_is_alone(device: Devices) -> None:  # P9
    phone = device("phone")
    await phone.pull()
    for number in range(3):
        token = (await phone.push(edit(entity_id=f"t{number}")))["checkpoint_token"]
        assert (await phone.pull(token))["changes"] == []


async def test_a_token_in_the_push_says_what_the_client_has(device: Devices) -> None:  # P9, shown by the request
    phone, laptop = device("phone"), device("laptop")
    await laptop.push(edit(entity_id="from-laptop"))
    token = (await phone.pull())["checkpoint_token"]
    pushed = await phone.push(edit(entity_id="from-phone"), checkpoint_token=token)
    assert (await phone.pull(pushed["checkpoint_token"]))["changes"] == []
