"""Pauses between attempts."""

from hypothesis import given
from hypothesis import strategies as st

from syncline_client.timing import Backoff, Timing

TIMING = Timing(first_pause_seconds=0.5, longest_pause_seconds=30)


@given(st.integers(0, 12))
def test_a_pause_is_drawn_from_zero_to_a_bound_that_doubles_up_to_the_longest(failures: int):
    backoff = Backoff(TIMING)
    for _ in range(failures):
        backoff.next_pause(0)
    assert 0 <= backoff.next_pause(0) <= min(30, 0.5 * 2**failures)


def test_pauses_differ_from_the_first_on():
    assert len({Backoff(TIMING).next_pause(0) for _ in range(20)}) > 1


def test_a_pause_is_never_shorter_than_the_server_asks_for():
    assert 7 <= Backoff(TIMING).next_pause(7) <= 7.5


def test_progress_begins_the_pauses_again():
    backoff = Backoff(TIMING)
    for _ in range(10):
        backoff.next_pause(0)
    backoff.reset()
    assert backoff.next_pause(0) <= 0.5
