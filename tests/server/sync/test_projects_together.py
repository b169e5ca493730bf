"""L4: what waits of several projects is applied in one transaction, and none of them is a matter of the others."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from rules import Rules
from storage import changes_of
from syncline_server.store.catalogue import project_named
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.registry import SqlRegistry
from syncline_server.sync import group
from syncline_server.sync.changes import Change, Push, PushOutcome
from syncline_server.sync.errors import HeadMismatch, StoreUnavailable
from syncline_server.sync.keys import entity_key
from syncline_server.sync.resolve import resolve
from syncline_server.sync.store import PageQuery
from values import LAPTOP, PHONE, edit
from waiting import next_call

PROJECTS = 6


@pytest.fixture
async def projects(rules: Rules) -> list[int]:
    """The projects of a database; the first is that of the rules."""
    made = [rules.project]
    for at in range(1, PROJECTS):
        name = f"{rules.project}-{at}"
        await SqlRegistry(rules.engines).create(name)
        made.append((await project_named(EngineCatalogue(rules.engines), name)).id)
    return made


@pytest.fixture
def transactions(rules: Rules, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each transaction that was opened."""
    opened: list[str] = []
    writing = rules.store.writing

    def counted() -> Any:
        opened.append("transaction")
        return writing()

    monkeypatch.setattr(rules.store, "writing", counted)
    return opened


async def push(rules: Rules, project: int, *changes: Change, session: str = PHONE, **fields: Any) -> PushOutcome:
    keyed = [one._replace(key=entity_key(project, "ada", one.entity_type, one.entity_id)) for one in changes]
    return await rules.pusher.push(Push(project, "ada", session, True, tuple(keyed), **fields))


async def logs(rules: Rules, projects: Sequence[int]) -> list[list[tuple[str, Any]]]:
    """Return ids and data of what each project holds."""
    pages = [await rules.store.page(PageQuery(one, "ada", (), 0, limit=100, max_bytes=10**6)) for one in projects]
    return [[(one.entity_id, json.loads(one.data)) for one in changes_of(page)] for page in pages]


async def test_projects_that_wait_together_are_one_transaction(
    rules: Rules, projects: list[int], transactions: list[str]
):
    await asyncio.gather(*[push(rules, one, edit("create", data=json.dumps({"of": one}))) for one in projects])
    assert len(transactions) == 1
    assert sorted(rules.commits) == sorted(projects)
    assert await logs(rules, projects) == [[("e1", {"of": one})] for one in projects]


async def test_each_project_is_held_against_its_own_state_alone(
    rules: Rules, projects: list[int], transactions: list[str]
):
    half = projects[::2]
    await asyncio.gather(*[push(rules, one, edit("create", data='{"a":1}')) for one in half])
    both = [push(rules, one, edit("update", data='{"b":2}', base=0 if one not in half else None)) for one in projects]
    outcomes = await asyncio.gather(*both)
    assert all(outcome.results[0].applied for outcome in outcomes)
    assert len(transactions) == 2
    assert await logs(rules, projects) == [[("e1", {"a": 1, "b": 2} if one in half else {"b": 2})] for one in projects]


async def test_positions_and_push_ids_are_those_of_a_project(rules: Rules, projects: list[int]):
    first, *others = projects
    await push(rules, first, edit("create", "theirs"), session=LAPTOP)
    sent = {"push_id": "one and the same"}
    await push(rules, first, edit("create"), **sent)
    again, *new = await asyncio.gather(*[push(rules, one, edit("create"), **sent) for one in projects])
    assert [one.results[0].replayed for one in (again, *new)] == [True] + [False] * len(others)
    plain = await asyncio.gather(*[push(rules, one, edit("create", "e2")) for one in projects])
    assert [one.checkpoint.revision == one.head_revision for one in plain] == [False] + [True] * len(others)


async def test_a_refused_push_of_a_project_answers_alone(rules: Rules, projects: list[int], transactions: list[str]):
    wrong = {"expected_head_ms": 5}
    made = [push(rules, one, edit("create"), **(wrong if at == 3 else {})) for at, one in enumerate(projects)]
    outcomes = await asyncio.gather(*made, return_exceptions=True)
    assert [at for at, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)] == [3]
    assert isinstance(outcomes[3], HeadMismatch)
    assert len(transactions) == 1


async def test_a_defect_that_a_push_of_one_project_meets_fails_no_other(
    rules: Rules, projects: list[int], monkeypatch: pytest.MonkeyPatch
):
    def resolve_or_fail(asked: Push, *others: Any) -> object:
        if asked.project_id == projects[2] and asked.changes[0].entity_id == "bad":
            raise ZeroDivisionError
        return resolve(asked, *others)

    monkeypatch.setattr(group, "resolve", resolve_or_fail)
    made = [push(rules, one, edit("create")) for one in projects]
    outcomes = await asyncio.gather(*made, push(rules, projects[2], edit("create", "bad")), return_exceptions=True)
    assert isinstance(outcomes[-1], ZeroDivisionError)
    assert not [outcome for outcome in outcomes[:-1] if isinstance(outcome, BaseException)]
    assert await logs(rules, projects) == [[("e1", {})]] * PROJECTS


async def test_a_project_whose_head_is_locked_elsewhere_keeps_no_other_waiting(rules: Rules, projects: list[int]):
    if not rules.engines.is_shared:
        pytest.skip("one process writes")
    async with rules.store.writing() as elsewhere:
        await elsewhere.lock_head(projects[4])
        made = [asyncio.create_task(push(rules, one, edit("create"))) for one in projects]
        others = [one for at, one in enumerate(made) if at != 4]
        await asyncio.gather(*others)
        assert not made[4].done()
        assert (await push(rules, projects[5], edit("create", "e2"))).results[0].applied
    assert (await made[4]).results[0].applied


async def test_where_nothing_can_be_written_all_that_wait_are_told_at_once(
    rules: Rules, projects: list[int], monkeypatch: pytest.MonkeyPatch
):
    tries: list[str] = []

    def away() -> Any:
        tries.append("transaction")
        raise StoreUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(rules.store, "writing", away)
        made = [push(rules, one, edit("create", f"e{at}")) for at in range(100) for one in projects]
        outcomes = await asyncio.gather(*made, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    assert len(tries) <= rules.store.writes_at_once
    assert (await push(rules, projects[0], edit("create"))).results[0].applied


async def test_what_comes_of_a_project_during_its_group_waits_for_the_next(
    rules: Rules, projects: list[int], monkeypatch: pytest.MonkeyPatch
):
    taken = next_call(monkeypatch, rules.store, "writing")
    first = asyncio.create_task(push(rules, projects[0], edit("update", data='{"a":1}')))
    await taken.wait()
    await asyncio.gather(first, push(rules, projects[0], edit("update", data='{"b":2}')))
    assert await logs(rules, projects[:1]) == [[("e1", {"a": 1, "b": 2})]]
    assert len(rules.commits) == 2
