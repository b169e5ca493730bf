"""What a history says of positions and times: its own, and those of copies that went another way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_server.sync.history import START, History, Position

SECOND = 1_000_000
HISTORY = History(
    13, forks=(3 * SECOND, 5 * SECOND), epoch_ids=(10, 12), starts_us=(2 * SECOND, 4 * SECOND, 7 * SECOND)
)
"""Epoch 11 began and ended without a commit."""
HEAD = 9 * SECOND


@pytest.mark.parametrize(
    ("revision", "epoch_id"), [(1, 10), (3 * SECOND, 10), (3 * SECOND + 1, 12), (5 * SECOND, 12), (5 * SECOND + 1, 13)]
)
def test_a_position_is_of_the_epoch_that_committed_its_revision(revision: int, epoch_id: int):
    assert HISTORY.at(revision) == Position(epoch_id, revision)


@given(st.integers(1, HEAD))
def test_a_history_holds_its_own_positions_and_no_others(revision: int):
    assert HISTORY.holds(HISTORY.at(revision), HEAD)
    others = {10, 11, 12, 13, 14} - {HISTORY.at(revision).epoch_id}
    assert not any(HISTORY.holds(Position(other, revision), HEAD) for other in others)


@pytest.mark.parametrize(("epoch_id", "revision"), [(10, 3 * SECOND + 1), (12, 5 * SECOND + 1), (13, HEAD + 1)])
def test_a_position_past_the_fork_of_its_epoch_is_of_a_lost_history(epoch_id: int, revision: int):
    assert not HISTORY.holds(Position(epoch_id, revision), HEAD)


@pytest.mark.parametrize("epoch_id", [0, 10, 99])
def test_the_start_is_of_every_history(epoch_id: int):
    assert HISTORY.holds(Position(epoch_id, 0), 0)
    assert HISTORY.at(0) == History(99).at(0) == START


@given(st.sets(st.integers(1, 1000), min_size=1), st.data())
def test_copies_agree_on_what_they_share_and_on_nothing_else(heads: set[int], data: st.DataObject):
    """A copy is taken at a fork or between two; the original goes on in the epoch, the copy in one of its own."""
    forks = sorted(heads)
    original = History(len(forks) - 1, forks[:-1], range(len(forks) - 1), range(len(forks)))
    taken_at = data.draw(st.integers(0, forks[-1]))
    ended = [fork for fork in forks[:-1] if fork < taken_at]
    copy = History(77, [*ended, taken_at], range(len(ended) + 1), range(len(ended) + 2))
    for revision in range(1, forks[-1] + 1):
        assert copy.holds(original.at(revision), 2000) == (revision <= taken_at)
        assert original.holds(copy.at(revision), forks[-1]) == (revision <= taken_at)


@pytest.mark.parametrize(
    ("at", "is_lacking"),
    [
        (0, False),
        (1, True),
        (2, False),
        (3, False),
        (3.5, True),
        (4, False),
        (5, False),
        (6, True),
        (7, False),
        (8, False),
    ],
)
def test_a_time_between_a_fork_and_the_next_start_is_lacking(at: float, is_lacking: bool):
    assert HISTORY.lacks_time(int(at * SECOND)) == is_lacking


@pytest.mark.parametrize("time_us", [0, 1, HEAD])
def test_a_history_without_forks_lacks_no_time_after_its_beginning(time_us: int):
    assert not History(1).lacks_time(time_us)
