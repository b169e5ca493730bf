"""P4, P6 and P7: who wins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import clocks
from syncline_server.sync.changes import Version
from values import LAPTOP, NOW_MS, PHONE, decide, edit, push_of, spelled, stored

FOREIGN = stored(at_ms=900, client_ms=100)
"""Written by the laptop at 900, by its clock at 100."""
OWN = stored(at_ms=900, client_ms=500, session=PHONE)
"""Written by the phone at 900, by its clock at 500."""


@pytest.mark.parametrize("action", ["create", "update", "delete"])
@pytest.mark.parametrize(
    ("version", "device_known", "at_ms", "outcome"),
    [
        (FOREIGN, True, 899, "c"),
        (FOREIGN, True, 900, "a"),
        (FOREIGN, True, 901, "a"),
        (FOREIGN, True, None, "a"),
        (FOREIGN, False, 899, "c"),
        (FOREIGN, False, 900, "a"),
        (OWN, True, 499, "c"),
        (OWN, True, 500, "a"),
        (OWN, True, 501, "a"),
        (OWN, False, 499, "c"),
        (OWN, False, 500, "a"),
    ],
)
def test_the_server_wins_by_whole_milliseconds(
    action: str, version: Version, device_known: bool, at_ms: int | None, outcome: str
):
    push = push_of(edit(action, at_ms=at_ms), device_known=device_known)
    assert spelled(decide(push, version)) == outcome


def test_microseconds_of_a_client_timestamp_decide_nothing():
    version = stored(at_ms=900)._replace(revision=900_999)
    assert spelled(decide(push_of(edit("update", at_ms=900)), version)) == "a"


def test_a_client_timestamp_in_the_future_counts_as_now():
    assert spelled(decide(push_of(edit("update", at_ms=NOW_MS + 3_600_000)), stored(at_ms=NOW_MS - 1))) == "a"


@pytest.mark.parametrize("at_ms", [NOW_MS - 3_600_000, NOW_MS, NOW_MS + 3_600_000])
def test_a_place_in_the_log_is_no_time(at_ms: int):
    """The log is ahead of the clock; the version was committed before the change was made."""
    ahead = stored(at_ms=NOW_MS - 7_200_000)._replace(revision=(NOW_MS + 50_000) * 1000)
    assert spelled(decide(push_of(edit("update", at_ms=at_ms)), ahead)) == "a"


_times = st.integers(NOW_MS - 6, NOW_MS + 6)
_timestamps = st.none() | _times


@given(committed_ms=_times, sent_ms=_timestamps, at_ms=_timestamps, session=st.sampled_from([PHONE, "token:x", ""]))
def test_times_decide_as_in_the_model(committed_ms: int, sent_ms: int | None, at_ms: int | None, session: str):
    push = push_of(edit("update", at_ms=at_ms), session=session, device_known=session == PHONE)
    for writer in (session, LAPTOP):
        is_own = session == writer != ""
        wanted = clocks.loses(clocks.Stored(committed_ms, sent_ms), at_ms, NOW_MS, same_session=is_own)
        version = stored(at_ms=committed_ms, client_ms=sent_ms, session=writer)
        assert spelled(decide(push, version)) == ("c" if wanted else "a")


@pytest.mark.parametrize(
    ("version", "base", "outcome"),
    [
        (FOREIGN, 900_000, "a"),
        (FOREIGN, 899_999, "c"),
        (FOREIGN, 900_001, "c"),
        (FOREIGN, 0, "c"),
        (None, 0, "a"),
        (None, 900_000, "c"),
        (stored(at_ms=900, deleted=True), 900_000, "a"),
        (stored(at_ms=900, deleted=True), 0, "c"),
    ],
)
def test_a_base_revision_has_to_be_the_stored_one(version: Version | None, base: int, outcome: str):
    before = [version] if version else []
    assert spelled(decide(push_of(edit("create", base=base)), *before)) == outcome


@pytest.mark.parametrize(("at_ms", "base", "outcome"), [(1, 900_000, "a"), (NOW_MS, 1, "c")])
def test_a_base_revision_takes_the_place_of_the_clock(at_ms: int, base: int, outcome: str):
    assert spelled(decide(push_of(edit("update", at_ms=at_ms, base=base)), FOREIGN)) == outcome


@pytest.mark.parametrize("state", [(), (stored(deleted=True),)])
def test_a_delete_is_held_to_its_base_revision_even_where_there_is_nothing_to_delete(state: tuple[Version, ...]):
    assert spelled(decide(push_of(edit("delete", base=77)), *state)) == "c"


@pytest.mark.parametrize("state", [(), (stored(deleted=True),)])
def test_a_delete_with_the_right_base_revision_writes_nothing_where_there_is_nothing_to_delete(
    state: tuple[Version, ...],
):
    resolution = decide(push_of(edit("delete", base=state[0].revision if state else 0)), *state)
    assert (spelled(resolution), resolution.written) == ("a", {})


def test_an_update_of_a_tombstone_conflicts_though_its_base_revision_is_right():
    assert spelled(decide(push_of(edit("update", base=900_000)), stored(at_ms=900, deleted=True))) == "c"


def test_an_expected_head_turns_the_clock_off():
    assert spelled(decide(push_of(edit("update", at_ms=1), expected_head_ms=900), FOREIGN)) == "a"


def test_an_expected_head_leaves_base_revisions_in_force():
    assert spelled(decide(push_of(edit("update", base=1), expected_head_ms=900), FOREIGN)) == "c"


def test_another_device_is_known_by_its_session():
    laptop = push_of(edit("update", at_ms=500), session=LAPTOP)
    assert spelled(decide(laptop, OWN)) == "c"
    assert spelled(decide(laptop, OWN._replace(session=LAPTOP))) == "a"
