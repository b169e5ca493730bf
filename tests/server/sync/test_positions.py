"""P9: the token that a push returns never skips what the client has not seen."""

import asyncio

import pytest

from rules import Rules
from storage import changes_of
from values import LAPTOP, PHONE, edit
from waiting import next_answer, next_call, turn

TOKEN_SESSION = "token:0123456789abcdef"


async def test_a_client_that_is_alone_gets_the_head(rules: Rules):
    for at in range(3):
        outcome = await rules.push(edit("create", f"e{at}"))
        assert outcome.checkpoint.revision == outcome.head_revision


@pytest.mark.parametrize("session", [LAPTOP, TOKEN_SESSION, ""])
async def test_what_somebody_else_wrote_holds_the_token_back(rules: Rules, session: str):
    await rules.push(edit("create", "theirs"), session=session)
    assert (await rules.push(edit("create", "mine"))).checkpoint.revision == 0


async def test_what_somebody_else_wrote_in_the_same_group_holds_the_token_back(rules: Rules):
    _, mine = await asyncio.gather(
        rules.push(edit("create", "theirs"), session=LAPTOP), rules.push(edit("create", "mine"))
    )
    assert len(rules.commits) == 1
    assert mine.checkpoint.revision == 0


async def test_a_change_after_one_that_lost_holds_the_token_back_until_it_was_read(rules: Rules):
    """Who is told of conflicts by entity alone takes over what has won, and does not know what came after it."""
    theirs = await rules.push(edit("create", data='{"a": 1}'), session=LAPTOP)
    seen = theirs.head_revision
    await rules.pull("todo", at=seen)
    late = edit("update", data='{"b": 1}', at_ms=seen // 1000 - 1)
    mine = await rules.push(late, edit("update", data='{"c": 1}'))
    assert [one.applied for one in mine.results] == [False, True]
    assert mine.checkpoint.revision == seen
    assert (await rules.push(edit("create", "e2"))).checkpoint.revision == seen
    await rules.pull("todo", at=mine.head_revision)
    outcome = await rules.push(edit("create", "e3"), edit("create", "e2"))
    assert outcome.checkpoint.revision == outcome.head_revision


async def test_another_users_changes_hold_nothing_back(rules: Rules):
    await rules.push(edit("create", "theirs"), user="bob", session=LAPTOP)
    outcome = await rules.push(edit("create", "mine"))
    assert outcome.checkpoint.revision == outcome.head_revision


async def test_what_was_pulled_is_known_only_once_its_token_is_presented(rules: Rules):
    theirs = await rules.push(edit("create", "theirs"), session=LAPTOP)
    page = await rules.pull("todo")
    assert page.checkpoint.revision == theirs.head_revision
    assert (await rules.push(edit("create", "e1"))).checkpoint.revision == 0
    await rules.pull("todo", at=page.checkpoint.revision)
    outcome = await rules.push(edit("create", "e2"))
    assert outcome.checkpoint.revision == outcome.head_revision


async def test_the_requests_own_token_goes_before_what_was_pulled(rules: Rules):
    theirs = await rules.push(edit("create", "theirs"), session=LAPTOP)
    await rules.pull("todo", at=0)
    shown = await rules.push(edit("create", "e1"), shown=await rules.checkpoint(theirs.head_revision))
    assert shown.checkpoint.revision == shown.head_revision
    early = await rules.push(edit("create", "e2"), shown=await rules.checkpoint(theirs.head_revision - 1))
    assert early.checkpoint.revision == theirs.head_revision - 1


@pytest.mark.parametrize("session", [PHONE, LAPTOP, TOKEN_SESSION])
async def test_a_reader_that_shows_its_token_skips_nothing_whoever_wrote_it(rules: Rules, session: str):
    """Two tabs of one login share a session: the second shows its own token, and has not read what the first wrote."""
    both = await rules.push(edit("create", "e0"), session=session)
    first = await rules.push(edit("create", "e1"), session=session, shown=both.checkpoint)
    assert first.checkpoint.revision == first.head_revision
    second = await rules.push(edit("create", "e2"), session=session, shown=both.checkpoint)
    assert second.checkpoint.revision == both.checkpoint.revision


async def test_a_reader_that_shows_its_token_skips_nothing_of_the_same_group(rules: Rules):
    both = await rules.push(edit("create", "e0"))
    first, second = await asyncio.gather(
        *(rules.push(edit("create", name), shown=both.checkpoint) for name in ("e1", "e2"))
    )
    assert first.checkpoint.revision == first.results[0].version.revision
    assert second.checkpoint.revision == both.checkpoint.revision


async def test_a_token_of_a_lost_history_comes_back_as_it_is(rules: Rules):
    await rules.push(edit("create", "theirs"), session=LAPTOP)
    lost = await rules.checkpoint(2**61)
    assert (await rules.push(edit("create"), shown=lost)).checkpoint == lost
    assert (
        await rules.push(edit("create", "e2"), edit("create", "n1", entity_type="note"), shown=lost)
    ).checkpoint == lost


async def test_the_lowest_position_of_the_pushed_types_counts(rules: Rules):
    theirs = await rules.push(edit("create", "theirs"), session=LAPTOP)
    await rules.pull("todo", at=theirs.head_revision)
    known = await rules.push(edit("create", "e1"))
    assert known.checkpoint.revision == known.head_revision
    mixed = await rules.push(edit("create", "e2"), edit("create", "n1", entity_type="note"))
    assert mixed.checkpoint.revision == 0


async def test_a_pull_of_all_types_shows_a_position_for_every_type(rules: Rules):
    theirs = await rules.push(edit("create", "theirs"), session=LAPTOP)
    await rules.pull("todo", at=0)
    await rules.pull(at=theirs.head_revision)
    outcome = await rules.push(edit("create", "e1"), edit("create", "n1", entity_type="note"))
    assert outcome.checkpoint.revision == outcome.head_revision


async def test_starting_over_takes_back_what_was_shown(rules: Rules):
    theirs = await rules.push(edit("create", "theirs"), session=LAPTOP)
    await rules.pull("todo", at=theirs.head_revision)
    await rules.pull("todo")
    assert (await rules.push(edit("create"))).checkpoint.revision == 0


@pytest.mark.parametrize("offset", [0, -1])
async def test_a_plain_revision_is_no_proof_of_having_read(rules: Rules, offset: int):
    theirs = await rules.push(edit("create", "theirs"), session=LAPTOP)
    await rules.pull("todo", after_revision=theirs.head_revision + offset)
    assert (await rules.push(edit("create"))).checkpoint.revision == 0


async def test_a_plain_revision_takes_back_what_was_shown_past_it_and_raises_nothing(rules: Rules):
    theirs = await rules.push(edit("create", "theirs"), session=LAPTOP)
    await rules.pull("todo", at=theirs.head_revision)
    await rules.pull("todo", "note", after_revision=theirs.head_revision - 1)
    assert (await rules.push(edit("create"))).checkpoint.revision == theirs.head_revision - 1
    assert (await rules.push(edit("create", entity_type="note"))).checkpoint.revision == 0


async def test_a_merge_over_something_unseen_is_not_ones_own(rules: Rules):
    await rules.push(edit("create", data='{"a":1}'), session=LAPTOP)
    await rules.push(edit("update", data='{"b":2}'))
    assert (await rules.push(edit("create", "e2"))).checkpoint.revision == 0


async def test_replacing_something_unseen_leaves_nothing_to_miss(rules: Rules):
    await rules.push(edit("create", data='{"a":1}'), session=LAPTOP)
    await rules.push(edit("create", data='{"b":2}'))
    outcome = await rules.push(edit("create", "e2"))
    assert outcome.checkpoint.revision == outcome.head_revision


async def test_a_server_key_that_names_no_device_has_written_nothing(rules: Rules):
    first = await rules.push(edit("create"), session="")
    assert first.checkpoint.revision == first.head_revision
    assert (await rules.push(edit("create", "e2"), session="")).checkpoint.revision == 0


async def test_who_names_the_head_has_been_there(rules: Rules):
    theirs = await rules.push(edit("create", "theirs"), session=LAPTOP)
    outcome = await rules.push(edit("create"), expected_head_ms=theirs.head_revision // 1000)
    assert outcome.checkpoint.revision == outcome.head_revision


async def test_a_position_presented_after_a_push_of_the_same_group_counts_for_the_next(
    rules: Rules, monkeypatch: pytest.MonkeyPatch
):
    await rules.push(edit("create", "theirs"), session=LAPTOP)
    theirs = await rules.push(edit("create", "theirs too"), session=LAPTOP)
    await rules.pull("todo", at=theirs.head_revision)
    await rules.push(edit("create", "e1"))
    async with rules.store.writing() as blocking:
        await blocking.lock_head(rules.project)
        taken = next_call(monkeypatch, rules.store, "writing")
        waiting = [asyncio.create_task(rules.push(edit("create", "e2")))]
        await taken.wait()  # alone; what comes now waits together
        waiting.append(asyncio.create_task(rules.push(edit("create", "e3"))))
        await turn()
        presented = next_call(monkeypatch, rules.pusher, "present")
        waiting.append(asyncio.create_task(rules.pull("todo", at=1, limit=1)))
        await presented.wait()
    await asyncio.gather(*waiting)
    assert len(rules.commits) == 5
    assert (await rules.push(edit("create", "e4"))).checkpoint.revision == 1


async def test_starting_over_counts_while_an_earlier_position_is_on_its_way(
    rules: Rules, monkeypatch: pytest.MonkeyPatch
):
    """A pull meanwhile sees the one before it."""
    theirs = await rules.push(edit("create", "theirs"), session=LAPTOP)
    async with rules.store.writing() as blocking:
        await blocking.lock_head(rules.project)
        presented = next_call(monkeypatch, rules.pusher, "present")
        rising = asyncio.create_task(rules.pull("todo", at=theirs.head_revision))
        await presented.wait()
        read = next_answer(monkeypatch, rules.store, "page")
        again = asyncio.create_task(rules.pull("todo", limit=1))
        await read.wait()
    await asyncio.gather(rising, again)
    assert (await rules.push(edit("create"))).checkpoint.revision == 0


@pytest.mark.parametrize("session", [PHONE, TOKEN_SESSION])
async def test_sessions_are_known_by_device_or_token(rules: Rules, session: str):
    await rules.push(edit("create", "e1"), session=session)
    outcome = await rules.push(edit("create", "e2"), session=session)
    assert outcome.checkpoint.revision == outcome.head_revision


async def test_what_is_committed_by_a_clock_behind_the_epochs_start_is_of_this_history(rules: Rules):
    """A head in ms is all that a reader of mutation sync has; it does not start over because of a clock set back."""
    rules.clock.us = 1_000_000_000_000_000
    first = await rules.push(edit("create", "e1"))
    await rules.push(edit("create", "e2"))
    page = await rules.pull("todo", after_revision=first.head_revision // 1000 * 1000 + 999, reset_when_expired=True)
    assert not page.reset
    assert [one.entity_id for one in changes_of(page)] == ["e2"]


@pytest.mark.parametrize("session", [PHONE, TOKEN_SESSION, ""])
async def test_what_a_push_has_itself_written_it_may_merge_over(rules: Rules, session: str):
    outcome = await rules.push(edit("create", data='{"a":1}'), edit("update", data='{"b":2}'), session=session)
    assert outcome.checkpoint.revision == outcome.head_revision
