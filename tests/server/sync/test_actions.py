"""P5: what each action makes of what is stored."""

import json

import pytest

from syncline_server.sync.errors import EntityNotFound
from values import NOW_MS, decide, edit, push_of, single, spelled, stored

OLD, NEW = '{"a": 1, "b": 2}', '{"b": 3, "c": null}'
MERGED = {"a": 1, "b": 3, "c": None}

STATES = {
    "unknown": (),
    "live": (stored(data=OLD, created_ms=500),),
    "deleted": (stored(data=OLD, created_ms=500, deleted=True),),
}


@pytest.mark.parametrize(
    ("action", "state", "outcome", "data", "is_created"),
    [
        ("create", "unknown", "a", json.loads(NEW), True),
        ("create", "live", "a", json.loads(NEW), False),
        ("create", "deleted", "a", json.loads(NEW), True),
        ("update", "unknown", "a", json.loads(NEW), True),
        ("update", "live", "a", MERGED, False),
        ("update", "deleted", "c", None, False),
        ("delete", "unknown", "a", None, False),
        ("delete", "live", "a", json.loads(NEW), False),
        ("delete", "deleted", "a", None, False),
    ],
)
def test_an_action_makes_this_of_a_state(action: str, state: str, outcome: str, data: object, is_created: bool):
    resolution = decide(push_of(edit(action, data=NEW)), *STATES[state])
    assert spelled(resolution) == outcome
    if data is None:
        assert not resolution.written
        return
    version = single(resolution.written.values())
    assert json.loads(version.data or "") == data
    assert version.deleted == (action == "delete")
    assert version.created_revision == (version.revision if is_created else 500_000)


def test_a_delete_of_an_entity_that_never_existed_answers_with_revision_zero():
    version = decide(push_of(edit("delete"))).results[0].version
    assert (version.revision, version.deleted) == (0, True)


def test_a_delete_of_a_tombstone_answers_with_the_tombstone():
    assert decide(push_of(edit("delete")), *STATES["deleted"]).results[0].version == STATES["deleted"][0]


def test_a_conflict_answers_with_the_servers_version_and_its_data():
    result = decide(push_of(edit("update", data=NEW)), *STATES["deleted"]).results[0]
    assert result.version == STATES["deleted"][0]
    assert result.carries_data


@pytest.mark.parametrize(("action", "carries"), [("create", False), ("update", True), ("delete", False)])
def test_an_applied_change_answers_with_data_only_where_the_pusher_cannot_know_it(action: str, carries: bool):
    assert decide(push_of(edit(action, data=NEW)), *STATES["live"]).results[0].carries_data == carries


def test_a_version_takes_the_client_timestamp_of_its_change():
    version = single(decide(push_of(edit("create", at_ms=12_345))).written.values())
    assert version.client_timestamp_us == 12_345_000


def test_a_version_without_a_client_timestamp_is_shown_with_its_commits():
    version = single(decide(push_of(edit("create"))).written.values())
    assert version.client_timestamp_us is None
    assert version.shown_timestamp_us == version.revision == NOW_MS * 1000


def test_a_version_knows_the_clock_at_its_commit_also_where_the_log_is_ahead_of_it():
    ahead = stored(at_ms=NOW_MS + 60_000)
    version = single(decide(push_of(edit("create", "other")), ahead).written.values())
    assert version.revision > ahead.revision
    assert version.committed_ms == NOW_MS


@pytest.mark.parametrize(
    ("action", "state", "is_found"),
    [
        ("create", "unknown", True),
        ("create", "live", True),
        ("create", "deleted", True),
        ("update", "unknown", False),
        ("update", "live", True),
        ("update", "deleted", False),
        ("delete", "unknown", False),
        ("delete", "live", True),
        ("delete", "deleted", True),
    ],
)
def test_required_entities_have_to_exist(action: str, state: str, is_found: bool):
    push = push_of(edit("create", "other"), edit(action), require_existing=True)
    if is_found:
        assert spelled(decide(push, *STATES[state])) == "aa"
        return
    with pytest.raises(EntityNotFound) as refused:
        decide(push, *STATES[state])
    assert refused.value.details == {"index": 1}


def test_a_required_entity_may_come_from_an_earlier_change_of_the_push():
    push = push_of(edit("create"), edit("update"), edit("delete"), edit("delete"), require_existing=True)
    assert spelled(decide(push)) == "aaaa"


def test_a_required_entity_may_not_be_deleted_by_an_earlier_change_of_the_push():
    with pytest.raises(EntityNotFound):
        decide(push_of(edit("delete"), edit("update"), require_existing=True), *STATES["live"])
