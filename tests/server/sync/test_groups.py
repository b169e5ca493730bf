"""L4 and L2: pushes that wait are applied together, and each is answered as if it had been alone."""

import asyncio
import json
from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest

from rules import Rules
from storage import changes_of
from syncline_server.sync import group
from syncline_server.sync.changes import Push
from syncline_server.sync.errors import EntityNotFound, HeadMismatch, SyncError
from syncline_server.sync.resolve import resolve
from values import LAPTOP, edit
from waiting import next_call, turn


async def test_pushes_that_wait_together_are_one_commit(rules: Rules):
    await asyncio.gather(*[rules.push(edit("create", f"e{at}"), user=f"user{at}") for at in range(50)])
    assert rules.commits == [rules.project]


async def test_pushes_of_a_user_share_a_millisecond_and_the_last_one_tells_it(rules: Rules):
    first = await rules.push(edit("create", "first"))
    outcomes = await asyncio.gather(*[rules.push(edit("create", f"e{at}")) for at in range(30)])
    *others, last = [outcome.head_revision for outcome in outcomes]
    assert set(others) == {first.head_revision}
    assert last == first.head_revision // 1000 * 1000 + 1000 + 29
    assert len(rules.commits) == 2


async def test_a_push_that_names_a_head_shares_its_millisecond_with_no_other(rules: Rules):
    first = await rules.push(edit("create", "first"))
    head_ms = first.head_revision // 1000
    before, alone, after = await asyncio.gather(
        rules.push(edit("create", "before"), user="bob"),
        rules.push(edit("create", "alone"), expected_head_ms=head_ms),
        rules.push(edit("create", "after")),
    )
    assert [one.head_revision // 1000 - head_ms for one in (before, alone, after)] == [1, 1, 2]
    assert len(rules.commits) == 2


async def test_what_changes_nothing_tells_no_head_that_others_of_its_group_add_to(rules: Rules):
    first = await rules.push(edit("create", "first"), edit("create", "again", at_ms=1))
    _, replay, mismatch, last = await asyncio.gather(
        rules.push(edit("create", "e1")),
        rules.push(edit("create", "e1")),
        rules.push(edit("create", "e2"), expected_head_ms=0),
        rules.push(edit("create", "e3")),
        return_exceptions=True,
    )
    assert not isinstance(replay, BaseException)
    assert not isinstance(last, BaseException)
    assert replay.results[0].replayed
    assert replay.head_revision == first.head_revision
    assert isinstance(mismatch, HeadMismatch)
    assert last.head_revision // 1000 > mismatch.head_ms


async def test_a_push_of_more_changes_than_a_millisecond_has_revisions_tells_what_is_whole(rules: Rules):
    many = [edit("create", f"e{at}") for at in range(1500)]
    first, last = await asyncio.gather(rules.push(*many), rules.push(edit("create", "last")))
    assert last.head_revision // 1000 == first.head_revision // 1000 + 1
    assert last.head_revision == rules.clock.us + 1500
    page = await rules.pull("todo", after_revision=first.head_revision // 1000 * 1000 + 999, limit=1000)
    assert len(changes_of(page)) == 501


async def test_pushes_of_a_user_are_decided_in_their_order(rules: Rules):
    edits = [edit("update", data=json.dumps({f"n{at}": at, "last": at})) for at in range(10)]
    await asyncio.gather(*[rules.push(one) for one in edits])
    (row,) = changes_of(await rules.pull())
    assert json.loads(row.data) == {**{f"n{at}": at for at in range(10)}, "last": 9}


async def test_a_group_spans_few_milliseconds_however_its_users_are_mixed(rules: Rules):
    pushes = [rules.push(edit("create", f"e{at}"), user=f"user{at // 4}") for at in range(200)]
    heads = [outcome.head_revision for outcome in await asyncio.gather(*pushes)]
    assert len(rules.commits) == 1
    assert max(heads) // 1000 - rules.clock.us // 1000 <= 4


async def test_a_refused_push_answers_alone(rules: Rules):
    good = [rules.push(edit("create", f"e{at}"), user=f"user{at}") for at in range(20)]
    refused = [
        rules.push(edit("create"), user="user3", expected_head_ms=5),
        rules.push(edit("create"), edit("update", "unknown"), user="user4", require_existing=True),
    ]
    *outcomes, mismatch, missing = await asyncio.gather(*good, *refused, return_exceptions=True)
    assert isinstance(mismatch, HeadMismatch)
    assert isinstance(missing, EntityNotFound)
    assert all(outcome.results[0].applied for outcome in outcomes)
    assert len(rules.commits) == 1
    assert (await rules.pull(user="user4")).count == 1


async def test_the_head_that_a_mismatch_names_counts_the_earlier_pushes_of_the_group(rules: Rules):
    first, second = await asyncio.gather(
        rules.push(edit("create"), expected_head_ms=0),
        rules.push(edit("create", "e2"), expected_head_ms=0),
        return_exceptions=True,
    )
    assert isinstance(second, HeadMismatch)
    assert second.head_ms == first.head_revision // 1000


async def test_a_defect_that_one_push_meets_fails_no_other(rules: Rules, monkeypatch: pytest.MonkeyPatch):
    def resolve_or_fail(push: Push, *others: object) -> object:
        if push.user_id == "user7":
            raise ZeroDivisionError
        return resolve(push, *others)

    monkeypatch.setattr(group, "resolve", resolve_or_fail)
    pushes = [rules.push(edit("create"), user=f"user{at}") for at in range(10)]
    outcomes = await asyncio.gather(*pushes, return_exceptions=True)
    assert [at for at, outcome in enumerate(outcomes) if isinstance(outcome, Exception)] == [7]
    assert isinstance(outcomes[7], ZeroDivisionError)


async def test_a_timestamp_in_the_future_wins_against_an_earlier_push_of_the_group_too(rules: Rules):
    tomorrow_ms = rules.clock.us // 1000 + 3_600_000
    outcomes = await asyncio.gather(
        rules.push(edit("create", "other"), session=LAPTOP),
        rules.push(edit("create", "e1"), session=LAPTOP),
        rules.push(edit("create", "e1", at_ms=tomorrow_ms)),
    )
    assert [outcome.results[0].applied for outcome in outcomes] == [True] * 3
    assert len(rules.commits) == 1


async def test_a_push_stands_where_an_earlier_one_of_the_group_has_moved_its_session(rules: Rules):
    await rules.push(edit("create", "e1", at_ms=2))
    first, second = await asyncio.gather(
        rules.push(edit("create", "e2")),
        # In part it loses, so its token stays where the session stood.
        rules.push(edit("create", "e1", at_ms=1), edit("delete", "e1")),
    )
    assert len(rules.commits) == 2
    assert second.checkpoint.revision == first.checkpoint.revision


async def test_a_head_a_little_ahead_of_the_clock_is_waited_for(rules: Rules):
    first = await rules.push(edit("create", "e1"))
    rules.clock.us -= 5_000
    second = await rules.push(edit("create", "e2"))
    assert second.head_revision // 1000 == first.head_revision // 1000 + 1
    assert rules.behind_ms == [0]


async def test_a_clock_set_far_back_is_told_of_and_the_log_goes_on(rules: Rules):
    first = await rules.push(edit("create", "e1"))
    rules.clock.us -= 3_600_000_000
    second = await rules.push(edit("create", "e2"))
    rules.clock.us += 7_200_000_000
    third = await rules.push(edit("create", "e3"))
    assert second.head_revision // 1000 == first.head_revision // 1000 + 1
    assert third.head_revision == rules.clock.us
    assert rules.behind_ms == [0, 3_600_001, 0]


async def test_a_log_ahead_of_the_clock_grows_no_faster_than_time(rules: Rules, monkeypatch: pytest.MonkeyPatch):
    first = await rules.push(edit("create", "first"))
    rules.clock.us -= 3_600_000_000
    slept: list[float] = []
    monkeypatch.setattr(group, "asyncio", SimpleNamespace(sleep=AsyncMock(side_effect=slept.append)))
    for at in range(3):
        last = await rules.push(*[edit("create", f"{at}-{each}") for each in range(1500)])
    added_ms = last.head_revision // 1000 - first.head_revision // 1000
    assert (added_ms, sum(slept)) == (6, pytest.approx(0.006))


async def test_a_caller_that_leaves_does_not_undo_its_push(rules: Rules, monkeypatch: pytest.MonkeyPatch):
    applied = next_call(monkeypatch, rules.store, "writing")
    calling = asyncio.create_task(rules.push(edit("create", at_ms=1)))
    await applied.wait()
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    await rules.pusher.close()
    assert (await rules.push(edit("create", at_ms=1))).results[0].replayed


async def test_a_caller_that_left_before_its_turn_is_not_served(rules: Rules):
    """The rest of its group is."""
    calls = [asyncio.create_task(rules.push(edit("create", f"e{at}"))) for at in range(2)]
    await turn()
    calls[0].cancel()
    assert not isinstance((await asyncio.gather(*calls, return_exceptions=True))[1], BaseException)
    assert [one.entity_id for one in changes_of(await rules.pull())] == ["e1"]


async def test_what_changes_nothing_is_no_commit_and_moves_no_head(rules: Rules):
    created = await rules.push(edit("create", at_ms=1))
    replay = await rules.push(edit("create", at_ms=1))
    nothing = await rules.push(edit("delete", "unknown"))
    empty = await rules.push()
    assert {one.head_revision for one in (replay, nothing, empty)} == {created.head_revision}
    assert len(rules.commits) == 1


async def test_large_stored_data_is_there_where_it_is_needed(rules: Rules):
    large = json.dumps({"large": "x" * 20_000})
    await rules.push(edit("create", "e1", large), edit("create", "e2", large), session=LAPTOP)
    outcome = await rules.push(edit("update", "e1", '{"n":1}'), edit("create", "e2", at_ms=1))
    merged, conflict = outcome.results
    assert json.loads(merged.version.data) == {**json.loads(large), "n": 1}
    assert (conflict.applied, conflict.version.data) == (False, large)


async def test_a_push_that_would_answer_with_too_much_is_refused_before_it_is_read(rules: Rules):
    large = json.dumps({"large": "x" * 200_000})
    for start in range(0, 100, 20):
        await rules.push(*[edit("create", f"e{at}", large) for at in range(start, start + 20)])
    with pytest.raises(SyncError, match="push fewer changes"):
        await rules.push(*[edit("update", f"e{at}", '{"n":1}') for at in range(100)])
    assert (await rules.push(edit("update", "e1", '{"n":1}'))).results[0].applied
