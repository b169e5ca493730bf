"""Pauses between attempts."""

import pytest

from syncline_client import timing
from syncline_client.timing import Backoff, Timing

TIMING = Timing(first_pause_seconds=0.5, longest_pause_seconds=30)


def test_a_pause_is_drawn_from_zero_to_a_bound_that_doubles_up_to_the_longest(monkeypatch: pytest.MonkeyPatch):
    drawn: list[tuple[float, float]] = []

    def uniform(least: float, most: float) -> float:
        drawn.append((least, most))
        return most

    monkeypatch.setattr(timing.random, "uniform", uniform)
    backoff = Backoff(TIMING)
    assert [backoff.next_pause(0) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert {least for least, _ in drawn} == {0}


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
