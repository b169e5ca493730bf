"""What a push may not exceed, which stored data it needs, and what a merge lets its session know."""

import json

import pytest

from syncline_server.sync.errors import AnswerTooLarge, DataTooLarge
from syncline_server.sync.resolve import PushLimits, needed_data
from values import LAPTOP, NOW_MS, PHONE, decide, edit, push_of, single, spelled, stored

SMALL = PushLimits(max_data_bytes=20, max_answer_bytes=50)


@pytest.mark.parametrize(("text", "fits"), [("x" * 12, True), ("x" * 13, False), ("é" * 6, True), ("é" * 7, False)])
def test_data_is_measured_in_bytes_after_the_merge(text: str, fits: bool):
    """`{"a":1,"b":""}` is 14 bytes, `{"b":""}` 8."""
    push = push_of(edit("create", "e2"), edit("update", data=json.dumps({"b": text}, ensure_ascii=False)))
    before = stored(data="{}")
    if fits:
        assert single(one for one in decide(push, before, limits=SMALL).written.values() if one.entity_id == "e1")
        return
    with pytest.raises(DataTooLarge) as refused:
        decide(push, before, limits=SMALL)
    assert refused.value.details == {"index": 1, "limit_bytes": 20}


def test_two_halves_that_fit_may_be_too_large_together():
    with pytest.raises(DataTooLarge):
        decide(push_of(edit("update", data='{"b":"123456"}')), stored(data='{"a":"123456"}'), limits=SMALL)


@pytest.mark.parametrize(("size_bytes", "fits"), [(25, True), (26, False)])
def test_the_versions_an_answer_carries_may_not_be_too_large(size_bytes: int, fits: bool):
    versions = [stored(name, data="{}", size_bytes=size_bytes) for name in ("e1", "e2")]
    push = push_of(edit("update", "e1", at_ms=1), edit("update", "e2", at_ms=1))
    if fits:
        assert spelled(decide(push, *versions, limits=SMALL)) == "cc"
        return
    with pytest.raises(AnswerTooLarge):
        decide(push, *versions, limits=SMALL)


def test_what_an_answer_leaves_out_does_not_count():
    versions = [stored(name, data="{}", size_bytes=1000) for name in ("e1", "e2")]
    push = push_of(edit("create", "e1"), edit("delete", "e2"))
    assert spelled(decide(push, *versions, limits=SMALL)) == "aa"


@pytest.mark.parametrize(
    ("action", "at_ms", "left_out", "is_needed"),
    [
        ("update", None, True, True),
        ("update", None, False, False),
        ("create", None, True, False),
        ("delete", None, True, False),
        ("create", 1, True, True),
        ("delete", 1, True, True),
    ],
)
def test_large_data_is_wanted_for_merges_and_conflicts(action: str, at_ms: int | None, left_out: bool, is_needed: bool):
    version = stored(data=None if left_out else "{}", size_bytes=100_000)
    push = push_of(edit(action, at_ms=at_ms), edit("update", "unknown"))
    needed = list(needed_data(push, {version.key: version}, NOW_MS))
    assert needed == ([version] if is_needed else [])


@pytest.mark.parametrize(
    ("action", "session", "shown_ms", "was_merged_unseen", "merged_unseen"),
    [
        ("update", PHONE, 0, False, True),
        ("update", PHONE, 899, False, True),
        ("update", PHONE, 900, False, False),
        ("update", LAPTOP, 0, False, False),
        ("update", LAPTOP, 0, True, True),
        ("update", LAPTOP, 900, True, False),
        ("create", PHONE, 0, False, False),
        ("delete", PHONE, 0, False, False),
    ],
)
def test_a_merge_over_what_the_session_was_not_shown_is_remembered(
    action: str, session: str, shown_ms: int, was_merged_unseen: bool, merged_unseen: bool
):
    before = stored(at_ms=900, session=LAPTOP, merged_unseen=was_merged_unseen)
    resolution = decide(push_of(edit(action), session=session), before, shown=shown_ms * 1000)
    assert single(resolution.written.values()).merged_unseen == merged_unseen


def test_a_second_edit_of_the_batch_does_not_forget_what_the_first_merged_unseen():
    resolution = decide(push_of(edit("update"), edit("update")), stored(at_ms=900), shown=0)
    assert single(resolution.written.values()).merged_unseen


def test_a_tombstone_that_keeps_unseen_members_is_a_merge_too():
    keeping = edit("delete")._replace(retained_members=("a",))
    version = single(decide(push_of(keeping), stored(data='{"a": 1, "b": 2}'), shown=0).written.values())
    assert (version.data, version.merged_unseen) == ('{"a":1}', True)
