"""Q5: a push with a push_id that comes again is answered as the first time, whatever has been written since."""

import asyncio
import json
from typing import Any

import pytest

from rules import Rules
from storage import changes_of
from syncline_server.store.retention import forget_expired
from syncline_server.sync import group
from syncline_server.sync.changes import Change, PushOutcome
from syncline_server.sync.errors import EntityNotFound, HeadMismatch, PushIdReused, SyncError
from syncline_server.sync.notes import NewNote
from syncline_server.sync.retries import remember, request_digest, sweeps
from syncline_server.sync.store import REMEMBERED_PUSHES
from values import LAPTOP, PHONE, edit, push_of

DAY_US = 24 * 3600 * 1_000_000
NOTE = NewNote("key", "n", b"v")


def spelled(outcome: PushOutcome) -> str:
    """Spell the outcomes: a(pplied), r(eplayed), c(onflict)."""
    return "".join("r" if one.replayed else "a" if one.applied else "c" for one in outcome.results)


def revisions(outcome: PushOutcome) -> list[int]:
    return [one.version.revision for one in outcome.results]


async def data_of(rules: Rules, entity_id: str = "e1", user: str = "ada") -> str:
    return next(one.data for one in changes_of(await rules.pull(user=user)) if one.entity_id == entity_id).decode()


async def test_a_retry_writes_nothing_whoever_has_written_since(rules: Rules):
    first = await rules.push(edit("create", data='{"from":"phone"}'), push_id="p")
    await rules.push(edit("update", data='{"from":"laptop"}'), session=LAPTOP)
    again = await rules.push(edit("create", data='{"from":"phone"}'), push_id="p")
    assert (spelled(again), revisions(again)) == ("r", revisions(first))
    assert await data_of(rules) == '{"from":"laptop"}'
    assert len(rules.commits) == 2


async def test_a_retry_carries_the_data_of_today(rules: Rules):
    await rules.push(edit("create", data='{"a":1}'), edit("create", "e2", '{"b":1}'), session=LAPTOP)
    changes = edit("update", data='{"n":1}'), edit("create", "e2", '{"b":2}', base=5)
    first = await rules.push(*changes, push_id="p")
    await rules.push(edit("update", data='{"a":2}'), edit("update", "e2", '{"b":3}'), session=LAPTOP)
    again = await rules.push(*changes, push_id="p")
    assert (spelled(first), spelled(again)) == ("ac", "rc")
    assert revisions(again) == revisions(first)
    assert [json.loads(one.version.data or "") for one in again.results] == [{"a": 2, "n": 1}, {"b": 3}]


async def test_large_data_is_there_for_a_retry_that_carries_it(rules: Rules):
    large = json.dumps({"large": "x" * 20_000})
    await rules.push(edit("create", data=large), session=LAPTOP)
    await rules.push(edit("create", at_ms=1), push_id="p")
    again = await rules.push(edit("create", at_ms=1), push_id="p")
    assert (spelled(again), again.results[0].version.data) == ("c", large)


async def test_a_retry_in_the_same_group_is_one(rules: Rules):
    pushes = [rules.push(edit("update", data='{"n":1}', base=0), push_id="p") for _ in range(3)]
    first, *others = await asyncio.gather(*pushes)
    assert len(rules.commits) == 1
    assert [spelled(one) for one in (first, *others)] == ["a", "r", "r"]
    assert [revisions(one) for one in others] == [revisions(first)] * 2


async def test_other_content_under_one_id_in_the_same_group_is_refused(rules: Rules):
    first, second = await asyncio.gather(
        rules.push(edit("create", "e1"), push_id="p"),
        rules.push(edit("create", "e2"), push_id="p"),
        return_exceptions=True,
    )
    assert isinstance(first, PushOutcome)
    assert isinstance(second, PushIdReused)
    assert len(changes_of(await rules.pull())) == 1


@pytest.mark.parametrize(
    "other",
    [
        edit("create", data='{"n":2}'),
        edit("create", "e2"),
        edit("create", entity_type="note"),
        edit("update"),
        edit("create", at_ms=1),
        edit("create", base=0),
        edit("create")._replace(only_if_absent=True),
        edit("delete")._replace(retained_members=("a",)),
        edit("create")._replace(required_keys=("key",)),
        edit("create")._replace(identifying_members=("a",)),
    ],
    ids=str,
)
async def test_the_same_id_with_another_change_is_refused_and_changes_nothing(rules: Rules, other: Change):
    await rules.push(edit("create"), push_id="p")
    with pytest.raises(PushIdReused):
        await rules.push(other, push_id="p")
    assert len(rules.commits) == 1


@pytest.mark.parametrize("fields", [{"require_existing": True}, {"expected_head_ms": 0}], ids=str)
async def test_the_same_id_with_another_condition_is_refused(rules: Rules, fields: dict[str, int]):
    await rules.push(edit("create"), push_id="p")
    with pytest.raises(PushIdReused):
        await rules.push(edit("create"), push_id="p", **fields)


async def test_a_retry_may_show_another_token(rules: Rules):
    first = await rules.push(edit("create"), push_id="p", shown=await rules.checkpoint(0))
    again = await rules.push(edit("create"), push_id="p", shown=first.checkpoint)
    assert spelled(again) == "r"
    assert again.checkpoint == first.checkpoint


async def test_a_retry_stays_at_the_position_that_it_shows_where_others_have_written(rules: Rules):
    before = await rules.push(edit("create", "e0"), push_id="o", shown=await rules.checkpoint(0))
    await rules.push(edit("create"), push_id="p", shown=before.checkpoint)
    await rules.push(edit("update", "e2"), session=LAPTOP)
    again = await rules.push(edit("create"), push_id="p", shown=before.checkpoint)
    assert again.checkpoint.revision == before.checkpoint.revision


async def test_a_push_with_an_id_that_shows_no_position_has_read_nothing(rules: Rules):
    await rules.push(edit("create", "e0"))
    await rules.pull()
    outcome = await rules.push(edit("create"), push_id="p")
    assert outcome.checkpoint.revision == 0
    assert (await rules.push(edit("create"), push_id="p")).checkpoint.revision == 0


async def test_a_retry_under_an_expected_head_is_answered_alike(rules: Rules):
    first = await rules.push(edit("create"), push_id="p", expected_head_ms=0)
    await rules.push(edit("update", "e2"), session=LAPTOP)
    again = await rules.push(edit("create"), push_id="p", expected_head_ms=0)
    assert spelled(again) == "r"
    assert (again.head_revision, again.checkpoint) == (first.head_revision, first.checkpoint)
    with pytest.raises(HeadMismatch):
        await rules.push(edit("create"), push_id="another", expected_head_ms=0)


async def test_a_refused_push_is_not_remembered(rules: Rules):
    with pytest.raises(EntityNotFound):
        await rules.push(edit("update"), push_id="p", require_existing=True)
    await rules.push(edit("create"))
    assert spelled(await rules.push(edit("update"), push_id="p", require_existing=True)) == "a"


async def test_a_push_without_changes_is_remembered(rules: Rules):
    await rules.push(push_id="p")
    assert (await rules.push(push_id="p")).results == []
    with pytest.raises(PushIdReused):
        await rules.push(edit("create"), push_id="p")


async def test_a_delete_of_what_never_was_is_answered_alike_once_it_is_there(rules: Rules):
    await rules.push(edit("delete"), push_id="p")
    await rules.push(edit("create", data='{"n":1}'), session=LAPTOP)
    again = await rules.push(edit("delete"), push_id="p")
    assert (spelled(again), revisions(again)) == ("r", [0])
    assert await data_of(rules) == '{"n":1}'


async def test_a_device_and_a_user_have_ids_of_their_own(rules: Rules):
    for at, session in enumerate((PHONE, LAPTOP, "token:a")):
        assert spelled(await rules.push(edit("update", f"e{at}"), push_id="1", session=session)) == "a"
    assert spelled(await rules.push(edit("update"), push_id="1", user="bob")) == "a"


async def test_sessions_without_a_device_share_the_memory_of_their_user(rules: Rules):
    """Tokens are renewed."""
    await rules.push(edit("update", data='{"n":1}'), push_id="p", session="token:a")
    await rules.push(edit("update", data='{"n":2}'), session=LAPTOP)
    assert spelled(await rules.push(edit("update", data='{"n":1}'), push_id="p", session="token:b")) == "r"
    assert spelled(await rules.push(edit("update", data='{"n":1}'), push_id="p", session="")) == "r"


async def push_ids(rules: Rules, count: int) -> None:
    for at in range(count):
        await rules.push(edit("update", f"e{at}"), push_id=f"p{at}")
        rules.clock.us += 1000
    for at in range(count):
        await rules.push(edit("update", f"e{at}", '{"n":2}'), session=LAPTOP)


async def test_the_last_64_pushes_are_remembered(rules: Rules):
    await push_ids(rules, REMEMBERED_PUSHES + 2)
    assert spelled(await rules.push(edit("update", "e2"), push_id="p2")) == "r"
    assert spelled(await rules.push(edit("update", "e1"), push_id="p1")) == "a"


async def test_a_clock_that_is_set_back_makes_nobody_forget(rules: Rules):
    await push_ids(rules, REMEMBERED_PUSHES)
    rules.clock.us -= DAY_US
    await rules.push(edit("create", "late"), push_id="late")
    await rules.push(edit("update", "late", '{"n":2}'), session=LAPTOP)
    assert spelled(await rules.push(edit("create", "late"), push_id="late")) == "r"


@pytest.mark.parametrize(("after_us", "expected"), [(DAY_US - 1, "r"), (DAY_US, "a")])
async def test_a_push_is_remembered_for_a_day(rules: Rules, after_us: int, expected: str):
    await rules.push(edit("create"), push_id="p")
    await rules.push(edit("update", data='{"n":2}'), session=LAPTOP)
    began = rules.clock.us
    rules.clock.us += after_us
    await forget_expired(rules.engines, lambda: began)
    assert spelled(await rules.push(edit("create"), push_id="p")) == expected


async def rows_of(rules: Rules) -> int:
    async with rules.engines.reading.connect() as connection:
        statement = "SELECT count(*) FROM push_ids WHERE project_id = $1"
        ((count,),) = await rules.engines.execute(connection, statement, (rules.project,))
        return int(count)


async def test_what_is_beyond_the_limit_is_swept_out(rules: Rules, monkeypatch: pytest.MonkeyPatch):
    for at in range(REMEMBERED_PUSHES + 5):
        rules.clock.us += 1
        await rules.push(push_id=f"p{at}")
    await rules.push(push_id="of another device", session=LAPTOP)
    await rules.push(push_id="of another user", user="bob")
    monkeypatch.setattr(group, "sweeps", lambda _: True)
    await rules.push(push_id="sweeps")
    assert await rows_of(rules) == REMEMBERED_PUSHES + 2


def test_one_push_in_32_sweeps():
    sweeping = [sweeps(remember(push_of(push_id=f"p{at}"), (), 0, 0)) for at in range(3200)]
    assert 50 < sum(sweeping) < 200


async def test_the_daily_clean_up_forgets_what_has_expired(rules: Rules):
    for at in range(3):
        await rules.push(push_id=f"p{at}")
        rules.clock.us += DAY_US // 2 + 1
    assert await forget_expired(rules.engines, rules.clock) >= 1
    assert await rows_of(rules) == 1


def test_each_part_of_a_change_is_part_of_its_content():
    one = edit("create")
    other = edit("update", "e2", '{"n":1}', at_ms=1, base=1, entity_type="note")
    other = other._replace(
        required_keys=("key",), only_if_absent=True, retained_members=("a",), identifying_members=("a",), note=NOTE
    )
    digests = {request_digest(push_of(one))}
    for name in set(Change._fields) - {"key"}:
        assert getattr(one, name) != getattr(other, name), name
        digests.add(request_digest(push_of(one._replace(**{name: getattr(other, name)}))))
    assert len(digests) == len(Change._fields)


async def test_a_push_that_could_not_be_committed_is_not_remembered(rules: Rules, monkeypatch: pytest.MonkeyPatch):
    write = group._write

    async def write_and_fail(*arguments: Any) -> None:
        await write(*arguments)
        raise ZeroDivisionError

    monkeypatch.setattr(group, "_write", write_and_fail)
    with pytest.raises(ZeroDivisionError):
        await rules.push(edit("create"), push_id="p")
    monkeypatch.undo()
    assert spelled(await rules.push(edit("create"), push_id="p")) == "a"


async def test_a_retry_with_too_much_to_carry_is_refused(rules: Rules):
    large = json.dumps({"large": "x" * 200_000})
    changes = [edit("update", f"e{at}", '{"n":1}') for at in range(100)]
    await rules.push(*changes, push_id="p")
    for start in range(0, 100, 20):
        await rules.push(*[edit("create", f"e{at}", large) for at in range(start, start + 20)], session=LAPTOP)
    with pytest.raises(SyncError, match="push fewer changes"):
        await rules.push(*changes, push_id="p")
