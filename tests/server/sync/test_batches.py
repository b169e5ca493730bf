"""P2 and P3: several changes of one entity in a batch, and batches that come twice."""

import json

import pytest

from syncline_server.sync.changes import Change
from values import LAPTOP, NOW_MS, PHONE, decide, edit, push_of, single, spelled, stored

TOKEN = "token:x"
A, B = '{"a": 1}', '{"b": 2}'
EARLY = {"at_ms": 1000}
LIVE, TOMBSTONE = stored(at_ms=900, data='{"old": 0}'), stored(at_ms=900, deleted=True)


@pytest.mark.parametrize(
    ("actions", "before", "outcomes", "data", "deleted"),
    [
        ("create update", None, "aa", {"a": 1, "b": 2}, False),
        ("create create", None, "aa", {"b": 2}, False),
        ("create delete", None, "aa", {"b": 2}, True),
        ("delete create", LIVE, "aa", {"b": 2}, False),
        ("delete update", LIVE, "aa", {"b": 2}, False),
        ("update update", LIVE, "aa", {"old": 0, "a": 1, "b": 2}, False),
        ("update delete", LIVE, "aa", {"b": 2}, True),
        ("delete delete", LIVE, "aa", {"a": 1}, True),
        ("create update", TOMBSTONE, "aa", {"a": 1, "b": 2}, False),
        ("create delete", TOMBSTONE, "aa", {"b": 2}, True),
        ("update create", TOMBSTONE, "ca", {"b": 2}, False),
        ("delete update", TOMBSTONE, "ac", None, True),
    ],
)
def test_edits_of_one_entity_in_a_batch_build_on_each_other(actions, before, outcomes, data, deleted):
    first, second = actions.split()
    push = push_of(edit(first, data=A, **EARLY), edit(second, data=B, **EARLY), session=PHONE)
    resolution = decide(push, *([before] if before else []))
    assert spelled(resolution) == outcomes
    if data is None:
        assert not resolution.written
        return
    version = single(resolution.written.values())
    assert (json.loads(version.data), version.deleted) == (data, deleted)


def test_edits_of_one_entity_never_conflict_with_each_other_whatever_their_timestamps():
    edits = [edit("update", at_ms=at_ms) for at_ms in (3000, 1000, 2000, 901)]
    assert spelled(decide(push_of(*edits), LIVE)) == "aaaa"


def test_each_edit_is_held_against_the_state_before_the_batch():
    edits = [edit("update", at_ms=901), edit("update", at_ms=899), edit("update", at_ms=900)]
    assert spelled(decide(push_of(*edits), LIVE)) == "aca"


def test_a_base_revision_is_that_of_the_state_before_the_batch():
    base = LIVE.revision
    assert spelled(decide(push_of(edit("update", base=base), edit("update", base=base)), LIVE)) == "aa"


def test_a_lost_edit_leaves_what_earlier_edits_of_the_batch_made():
    resolution = decide(push_of(edit("update", data=A, at_ms=901), edit("update", data=B, at_ms=1)), LIVE)
    assert json.loads(single(resolution.written.values()).data) == {"old": 0, "a": 1}
    assert resolution.results[1].version == resolution.results[0].version


def test_a_delete_after_which_it_is_created_again_makes_it_come_into_being_anew():
    version = single(decide(push_of(edit("delete"), edit("create")), LIVE).written.values())
    assert version.created_revision == version.revision


def test_one_row_is_written_for_an_entity_and_it_is_the_last_version():
    resolution = decide(push_of(*[edit("update", data=json.dumps({"n": n})) for n in range(5)]))
    assert single(resolution.written.values()) == resolution.results[-1].version


def replayed(*edits: Change, before: tuple[Change, ...], **fields: object) -> str:
    """Spell what a push comes to where `before` were applied by the same phone."""
    first = decide(push_of(*before), now_ms=NOW_MS - 1000)
    return spelled(decide(push_of(*edits, **fields), *first.written.values()))


CREATE = edit("create", data=A, at_ms=1)
UPDATE = edit("update", data=B, at_ms=2)
DELETE = edit("delete", at_ms=3)
LATER = edit("delete", at_ms=4)
"""Finds nothing to do after DELETE."""


@pytest.mark.parametrize(
    ("before", "retried", "outcomes"),
    [
        ((CREATE,), (CREATE,), "r"),
        ((UPDATE,), (UPDATE,), "r"),
        ((CREATE, DELETE), (CREATE, DELETE), "rr"),
        ((CREATE, UPDATE), (CREATE, UPDATE), "rr"),
        ((CREATE, UPDATE), (UPDATE,), "c"),
        ((CREATE, UPDATE), (DELETE, UPDATE), "cc"),
        ((CREATE, UPDATE, DELETE), (CREATE, UPDATE, DELETE), "rrr"),
        ((CREATE, DELETE, LATER), (CREATE, DELETE, LATER), "rrr"),
        ((CREATE,), (edit("create", data=B, at_ms=1),), "c"),
        ((CREATE,), (edit("create", data=A, at_ms=0),), "c"),
        ((CREATE,), (edit("update", data=A, at_ms=1),), "c"),
        ((CREATE, UPDATE), (UPDATE, CREATE), "cc"),
        ((edit("create", data=A),), (edit("create", data=A),), "r"),
        ((CREATE,), (edit("create", data=A, at_ms=1, base=12345),), "r"),
        ((CREATE,), (edit("create", data=A, at_ms=1, base=(NOW_MS - 1000) * 1000),), "a"),
        ((CREATE, UPDATE), (CREATE, UPDATE._replace(base_revision=(NOW_MS - 1000) * 1000 + 1)), "ca"),
    ],
)
def test_a_retry_is_known_by_all_changes_of_each_entity(before, retried, outcomes):
    assert replayed(*retried, before=before, session="token:x", device_known=False) == outcomes


def test_a_replay_answers_with_the_stored_version_and_writes_nothing():
    version = stored(made_by=CREATE, session=PHONE)
    resolution = decide(push_of(CREATE), version)
    assert resolution.results[0].replayed
    assert resolution.results[0].version == version
    assert not resolution.written


def test_a_replayed_delete_that_kept_members_carries_them_again():
    delete = edit("delete", at_ms=1)._replace(retained_members=("a",))
    (result,) = decide(push_of(delete), stored(data='{"a":1}', deleted=True, made_by=delete, session=PHONE)).results
    assert (result.replayed, result.carries_data, result.version.data) == (True, True, '{"a":1}')


def test_a_replay_of_a_tombstone_is_not_an_update_of_it():
    assert replayed(UPDATE, DELETE, before=(UPDATE, DELETE)) == "rr"


def test_only_the_entities_that_were_applied_are_replays():
    assert replayed(CREATE, edit("create", "e2", at_ms=1), before=(CREATE,)) == "ra"


def test_under_an_expected_head_nothing_is_a_replay():
    assert replayed(CREATE, before=(CREATE,), expected_head_ms=1) == "a"


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [(PHONE, PHONE, "r"), (PHONE, LAPTOP, "c"), (PHONE, TOKEN, "r"), (TOKEN, PHONE, "r"), (TOKEN, "token:y", "r")],
)
def test_what_another_known_device_pushes_is_no_retry(first: str, second: str, outcome: str):
    made = decide(push_of(CREATE, session=first, device_known=first != TOKEN), now_ms=NOW_MS - 1000)
    again = push_of(CREATE, session=second, device_known=second in {PHONE, LAPTOP})
    assert spelled(decide(again, *made.written.values())) == outcome


def test_a_push_that_ends_like_the_one_before_is_a_new_one():
    """What stands before its last change would be lost."""
    tags = [edit("update", data=json.dumps({"tag": tag})) for tag in range(2)]
    done = edit("update", data='{"done": true}')
    assert replayed(tags[1], done, before=(tags[0], done), session=PHONE) == "aa"


@pytest.mark.parametrize(
    ("first", "second", "outcome"), [("p", "p", "r"), ("p", "q", "c"), ("", "q", "c"), ("p", "", "c")]
)
def test_equal_changes_of_pushes_with_other_push_ids_are_no_retry(first: str, second: str, outcome: str):
    """Two tabs count up on one base: the second one has to hear of the first."""
    count = edit("update", data='{"n": 1}', base=LIVE.revision)
    made = decide(push_of(count, push_id=first), LIVE, now_ms=NOW_MS - 50)
    assert spelled(decide(push_of(count, push_id=second), *made.written.values())) == outcome


def test_a_push_of_which_a_part_has_lost_is_known_again():
    late, early = edit("update", data=A, at_ms=901), edit("update", data=B, at_ms=1)
    first = decide(push_of(late, early), LIVE)
    assert spelled(first) == "ac"
    assert spelled(decide(push_of(late, early), *first.written.values(), now_ms=NOW_MS + 1)) == "rr"
