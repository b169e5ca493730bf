"""Each push acts once, however often it arrives, and each wrong rule makes one act twice or not at all."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from model import pushing, retries
from model.pushing import Lost, Overwrites, Push, Server, Twice, Wrong, found
from model.retries import DAY_MS, Change, Outcome, PushIdReused, Stored

HISTORIES = 1_000


def test_each_push_acts_once() -> None:
    for seed in range(HISTORIES):
        pushing.run(seed)


class PushIdOutsideTheDigest(Server):
    """X20: equal bodies are one push."""

    def is_replay(self, stored: Stored | None, changes: Sequence[Change], push: Push) -> bool:
        return retries.is_replay(stored, changes, "", push.device)

    def digest(self, changes: Sequence[Change], push: Push) -> str:
        return retries.digest(changes)


class LastChangeAlone(PushIdOutsideTheDigest):
    """X21: the digest is that of the last change."""

    def is_replay(self, stored: Stored | None, changes: Sequence[Change], push: Push) -> bool:
        return super().is_replay(stored, changes[-1:], push)

    def digest(self, changes: Sequence[Change], push: Push) -> str:
        return super().digest(changes[-1:], push)


class NoMemory(Server):
    """X22: a retry is known by the stored version alone."""

    def push(self, push: Push, session: str) -> tuple[Outcome, ...]:
        self.memory.clear()
        return super().push(push, session)


class IdsByIndex(Server):
    """X23: the id of a create is made of push_id and index alone."""

    def new_id(self, push: Push, index: int) -> str:
        return retries.new_id("u", push.push_id, index, Change("create"))


class MemoryBySession(Server):
    """X24: a session remembers, and its token is renewed."""

    def owner(self, push: Push, session: str) -> tuple[str, str]:
        return "u", session


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (PushIdOutsideTheDigest, Lost),
        (LastChangeAlone, Lost),
        (NoMemory, Overwrites),
        (NoMemory, Twice),
        (IdsByIndex, Overwrites),
        (MemoryBySession, Twice),
        (MemoryBySession, Overwrites),
    ],
)
def test_a_wrong_rule_makes_a_push_act_twice_or_not_at_all(wrong: type[Server], kind: type[Wrong]) -> None:
    assert found(wrong, range(HISTORIES), kind) is not None


def statuses(server: Server, *pushes: Push) -> list[list[str]]:
    return [[one.status for one in server.push(push, "s")] for push in pushes]


def test_of_two_equal_increments_on_one_base_one_is_told_of_a_conflict() -> None:
    """X20."""
    increment = (Change("set", "1", base_revision=0, entity="n"),)
    tabs = Push(1, 0, "", "a", increment), Push(2, 1, "", "b", increment)
    assert statuses(Server(), *tabs) == [["applied"], ["conflict"]]
    assert statuses(PushIdOutsideTheDigest(), *tabs) == [["applied"], ["replayed"]]


def test_a_push_that_ends_like_the_one_before_is_a_new_one() -> None:
    """X21."""
    done = Change("merge", "done", entity="x")
    pushes = [Push(at, 0, "", str(at), (Change("merge", f"tag {at}", entity="x"), done)) for at in (1, 2)]
    assert statuses(PushIdOutsideTheDigest(), *pushes) == [["applied"] * 2] * 2
    assert statuses(LastChangeAlone(), *pushes) == [["applied"] * 2, ["replayed"] * 2]


EDIT = Change("set", "1", 5)
STORED = Stored(9, retries.digest([EDIT], "p"), "phone")


@pytest.mark.parametrize(
    ("change", "push_id", "device", "expected"),
    [
        pytest.param(EDIT, "p", "phone", True, id="Q1"),
        pytest.param(EDIT, "other", "phone", False, id="Q1 another push_id"),
        pytest.param(replace(EDIT, client_ms=6), "p", "phone", False, id="Q1 another time"),
        pytest.param(EDIT, "p", "", True, id="Q2 device unknown"),
        pytest.param(EDIT, "p", "tablet", False, id="Q2 another device"),
        pytest.param(replace(EDIT, base_revision=9), "p", "phone", False, id="Q3 made on top of it"),
        pytest.param(replace(EDIT, base_revision=8), "p", "phone", True, id="Q3 made on what was before it"),
    ],
)
def test_a_replay(change: Change, push_id: str, device: str, expected: bool) -> None:
    assert retries.is_replay(STORED, [change], push_id, device) is expected


def test_the_last_64_push_ids_of_a_day_are_remembered() -> None:
    memory: retries.Memory = ()
    for index in range(65):
        memory = retries.remember(memory, str(index), "r", [Outcome("applied", "n", index)], now_ms=0)
    assert retries.recall(memory, "0", "r", 0) is None
    assert retries.recall(memory, "1", "r", DAY_MS - 1) == (Outcome("replayed", "n", 1),)
    assert retries.recall(memory, "1", "r", DAY_MS) is None


def test_a_push_id_with_other_content_is_refused() -> None:
    memory = retries.remember((), "p", "r", [], now_ms=0)
    with pytest.raises(PushIdReused):
        retries.recall(memory, "p", "other", 0)
