"""Every check passes over a good history, and finds the fault that is planted in it."""

import gc
import time
from collections.abc import Callable

import pytest

from syncline_verify.atomicity import torn_pushes
from syncline_verify.checks import CHECKS, Kind, check, summary
from syncline_verify.history import UNPLACED, Bid, Entry, Mark, Overheard, Recovery, RunHistory
from verify.histories import ADA, BOB, CANARY_OF, entity, entry, good

MANY = 100_000
LONGEST_SECONDS = 15.0
"""How long a processor may take for all checks of so many; a quadratic one would take half an hour."""


def a_reader_misses_one(history: RunHistory) -> None:
    del history.readers[0].entries[2]


def the_last_version_is_older(history: RunHistory) -> None:
    history.readers[0].entries[3] = entry(3, 1)


def a_version_of_nobody(history: RunHistory) -> None:
    history.readers[2].entries.append(entry(8))


def another_content(history: RunHistory) -> None:
    history.readers[2].entries[0] = entry(3)._replace(content=b"{}")


def a_retry_was_applied_again(history: RunHistory) -> None:
    history.acknowledge([entry(8, 6)])


def a_retry_was_a_conflict(history: RunHistory) -> None:
    history.denied.append(entity(6))


def one_came_twice(history: RunHistory) -> None:
    history.readers[0].entries.append(entry(8, 3))


def half_a_push_before_a_complete_page(history: RunHistory) -> None:
    history.readers[0].marks[0] = Mark("t1", 1, complete=True)


def the_other_half_never_came(history: RunHistory) -> None:
    del history.readers[0].entries[4]


def a_step_back(history: RunHistory) -> None:
    entries = history.readers[2].entries
    entries[0], entries[1] = entries[1], entries[0]


def one_revision_for_two(history: RunHistory) -> None:
    history.acknowledge([entry(4, user=ADA)])


def a_stream_with_a_hole(history: RunHistory) -> None:
    history.readers[1].entries.append(entry(6))  # past the move of the first entity


def a_token_that_skips(history: RunHistory) -> None:
    del history.rereads[0].entries[0]


def a_token_that_goes_back(history: RunHistory) -> None:
    history.rereads[1].entries.insert(0, entry(3))


def a_change_of_another(history: RunHistory) -> None:
    history.readers[0].entries.insert(3, entry(4, user=BOB))


def a_canary_in_the_data_of_another(history: RunHistory) -> None:
    spilt = f'{{"c": "{CANARY_OF[BOB]}"}}'.encode()
    history.readers[2].entries[0] = entry(3)._replace(content=spilt)


def a_canary_in_an_error(history: RunHistory) -> None:
    history.overheard.append(Overheard(ADA, f"conflicts with {CANARY_OF[BOB]}"))


def two_winners(history: RunHistory) -> None:
    history.bids.append(Bid(ADA, 3, applied=True))


def gone_after_the_kill(history: RunHistory) -> None:
    history.recoveries[0] = Recovery(4, history.recoveries[0].entries[1:])


def a_deleted_one_that_stays(history: RunHistory) -> None:
    del history.readers[0].entries[5]


FAULTS: list[tuple[Kind, Callable[[RunHistory], None]]] = [
    (Kind.NO_LOST_CHANGE, a_reader_misses_one),
    (Kind.NO_LOST_CHANGE, the_last_version_is_older),
    (Kind.NO_PHANTOM, a_version_of_nobody),
    (Kind.NO_PHANTOM, another_content),
    (Kind.EXACTLY_ONCE, a_retry_was_applied_again),
    (Kind.EXACTLY_ONCE, a_retry_was_a_conflict),
    (Kind.EXACTLY_ONCE, one_came_twice),
    (Kind.ATOMIC_PUSH, half_a_push_before_a_complete_page),
    (Kind.ATOMIC_PUSH, the_other_half_never_came),
    (Kind.STRICT_ORDER, a_step_back),
    (Kind.STRICT_ORDER, one_revision_for_two),
    (Kind.STREAM_IS_A_PREFIX, a_stream_with_a_hole),
    (Kind.MONOTONE_TOKENS, a_token_that_skips),
    (Kind.MONOTONE_TOKENS, a_token_that_goes_back),
    (Kind.ISOLATION, a_change_of_another),
    (Kind.ISOLATION, a_canary_in_the_data_of_another),
    (Kind.ISOLATION, a_canary_in_an_error),
    (Kind.ONE_WINNER_PER_HEAD, two_winners),
    (Kind.DURABLE_AFTER_KILL, gone_after_the_kill),
    (Kind.CONVERGED, a_deleted_one_that_stays),
]


@pytest.mark.parametrize("kind", CHECKS, ids=str)
def test_a_check_looks_at_a_good_history_and_finds_nothing(kind: Kind):
    examined, problems = CHECKS[kind](good())
    assert examined
    assert not problems


@pytest.mark.parametrize(("kind", "plant"), FAULTS, ids=[plant.__name__ for _, plant in FAULTS])
def test_a_planted_fault_is_found(kind: Kind, plant: Callable[[RunHistory], None]):
    history = good()
    plant(history)
    problems = CHECKS[kind](history).problems
    assert problems
    assert {problem.kind for problem in problems} == {kind}
    assert str(kind) in summary(check(history))


def test_every_check_has_a_planted_fault():
    assert {kind for kind, _ in FAULTS} == set(Kind) == set(CHECKS)


@pytest.mark.parametrize("kind", CHECKS, ids=str)
def test_an_empty_history_is_no_verdict(kind: Kind):
    assert CHECKS[kind](RunHistory()) == (0, [])


def test_what_was_never_answered_proves_nothing():
    history = good()
    history.unanswered.add(entity(3))
    history.readers[2].entries[0] = entry(3)._replace(content=b"{}")
    assert not check(history)


def test_a_version_whose_writer_does_not_know_where_it_stands_has_to_come_all_the_same():
    history = good()
    history.acknowledged[2] = history.acknowledged[2]._replace(revision=UNPLACED)
    assert not check(history)
    del history.readers[0].entries[2]
    assert {problem.kind for problem in check(history)} >= {Kind.NO_LOST_CHANGE, Kind.CONVERGED}


def test_a_later_version_stands_for_the_rest_of_a_push():
    """The reader comes when the second entity of the push has moved on: what it gets is all that there is."""
    history = RunHistory()
    history.acknowledge([entry(1), entry(2)])
    history.acknowledge([entry(3, 2)])
    history.reader("late", ADA).take([entry(1), entry(3, 2)], "t3", complete=True)
    assert not check(history)


def test_logs_of_their_own_may_share_a_revision():
    history = RunHistory()
    history.acknowledge([entry(1)])
    history.acknowledge([entry(1, user=BOB)])
    assert check(history)
    history.one_log = False
    assert not check(history)


def test_the_cost_grows_with_the_history_and_not_with_its_square():
    history = good_of(MANY)
    gc.freeze()  # what is walked through once and again is not the checks' doing
    try:
        started = time.process_time()
        problems = check(history)
        seconds = time.process_time() - started
    finally:
        gc.unfreeze()
    print(f"{len(history.acknowledged)} acknowledged, {seconds:.1f} s")
    assert not problems
    assert seconds < LONGEST_SECONDS


def good_of(size: int) -> RunHistory:
    """Return a history of pushes of ten, half of them touches of a few entities."""
    history = RunHistory(canaries={canary: user for user, canary in CANARY_OF.items()})
    reader = history.reader("pages", ADA)
    page: list[Entry] = []
    for start in range(1, size, 10):
        push = [entry(start + at, None if at % 2 else (start + at) % 9 - 10) for at in range(10)]
        history.acknowledge(push)
        history.once |= {one.entity for one in push[1::2]}
        page += push
        if len(page) >= 100:
            reader.take(page, f"t{start}", complete=True)
            page = []
    reader.take(page, "end", complete=True)
    return history


def test_a_delete_that_found_its_work_done_is_no_part_of_its_push() -> None:
    history = RunHistory()
    # Its answer names the tombstone of an earlier push, whose own answer comes later.
    history.acknowledge([entry(7, 2, deleted=True), entry(20, 3)])
    history.acknowledge([entry(7, 2, deleted=True)])
    pages = history.reader("pages of ada", ADA)
    pages.take([entry(7, 2, deleted=True)], "t7", complete=True)
    pages.take([entry(20, 3)], "t20", complete=True)
    assert list(torn_pushes(history, pages)) == []
