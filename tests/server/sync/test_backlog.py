"""What waits to be committed is bounded, and what waits in vain does not wait once more."""

import asyncio

import pytest

from rules import Rules
from syncline_server.sync.backlog import Backlog, BacklogLimits, Bound
from syncline_server.sync.errors import Overloaded, StoreUnavailable
from values import edit

MIB = 1024 * 1024
NO_BOUND = Bound(1_000, 1_000 * MIB)


def test_pushes_are_counted_until_they_leave():
    backlog = Backlog(BacklogLimits(of_project=Bound(2, MIB), in_all=NO_BOUND))
    backlog.enter(1, 10)
    backlog.enter(1, 20)
    with pytest.raises(Overloaded):
        backlog.enter(1, 30)
    backlog.leave(1, 10)
    backlog.enter(1, 30)
    assert (backlog.pushes, backlog.size_bytes) == (2, 50)


def test_bytes_are_counted_until_they_leave():
    backlog = Backlog(BacklogLimits(of_project=NO_BOUND, in_all=Bound(1_000, 100)))
    backlog.enter(1, 60)
    assert (backlog.has_room(40), backlog.has_room(41)) == (True, False)
    with pytest.raises(Overloaded):
        backlog.enter(2, 60)
    backlog.leave(1, 60)
    backlog.enter(2, 60)


def test_one_that_is_larger_than_the_bound_waits_alone():
    backlog = Backlog(BacklogLimits(of_project=NO_BOUND, in_all=Bound(1_000, 100)))
    backlog.enter(1, 500)
    with pytest.raises(Overloaded):
        backlog.enter(1, 1)


async def test_what_has_waited_as_long_as_a_group_that_the_store_failed_fails_with_it(
    rules: Rules, monkeypatch: pytest.MonkeyPatch
):
    tries = []

    def fail() -> None:
        tries.append(1)
        raise StoreUnavailable

    monkeypatch.setattr(rules.store, "writing", fail)
    more_than_a_group = [rules.push(edit("create"), user=f"user{at}") for at in range(600)]
    outcomes = await asyncio.gather(*more_than_a_group, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    assert len(tries) == 1
    monkeypatch.undo()
    await rules.push(edit("create"))
