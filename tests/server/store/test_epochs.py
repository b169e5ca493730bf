"""When an epoch begins, what is recorded of the one that ends, and what it costs."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import make_url, text

from harness import change, make_project, opened_engines, settings_for, started_server
from storage import Log, log_in, run_sql
from syncline_server.store import epochs
from syncline_server.store.engine import Engines
from syncline_server.store.registry import SqlRegistry
from syncline_server.sync.history import History, Position
from waiting import until

MANY_EPOCHS = 10_000
CLOCK_US = 1_800_000_000_000_000


async def begin(engines: Engines) -> int:
    return (await epochs.begin_by_hand(engines, lambda: CLOCK_US)).id


async def history_of(log: Log) -> History:
    return (await log.page()).history


async def sql(engines: Engines, statement: str) -> list[Any]:
    async with engines.writing.begin() as connection:
        result = await connection.execute(text(statement))
        return list(result.all()) if result.returns_rows else []


async def test_an_epoch_that_ends_records_the_head_of_every_project_that_has_moved(engines: Engines):
    one, idle, late = await log_in(engines, "one"), await log_in(engines, "idle"), await log_in(engines, "late")
    first = (await history_of(one)).epoch_id
    await one.write(one.version("a", 5000))
    await idle.write(idle.version("a", 3000))
    second = await begin(engines)
    await one.write(one.version("b", 7000))
    await begin(engines)
    third = await begin(engines)
    await late.write(late.version("a", 8000))
    found = await history_of(one)
    assert (list(found.forks), list(found.epoch_ids), found.epoch_id) == ([5000, 7000], [first, second], third)
    found = await history_of(idle)
    assert (list(found.forks), list(found.epoch_ids), found.epoch_id) == ([3000], [first], third)
    assert (await history_of(late)).at(8000) == Position(third, 8000)
    assert await sql(engines, "SELECT count(*) FROM epoch_forks") == [(3,)]


async def test_a_write_knows_the_epoch_that_began_while_it_waited(engines: Engines):
    log = await log_in(engines, "one")
    async with log.store.writing() as transaction:
        before = await transaction.lock_head(log.project)
        beginning = asyncio.create_task(begin(engines))
        if engines.is_shared:
            await _waiters(engines, 1)
            waiting = asyncio.create_task(_locked_history(log))
            await _waiters(engines, 2)  # behind the epoch, not beside it
        await transaction.write({log.project: [log.version("a", 5000)]})
    begun = await beginning
    if engines.is_shared:
        assert (await waiting).epoch_id == begun
    history = await _locked_history(log)
    assert history.at(5000) == Position(before.history.epoch_id, 5000)
    assert history.at(5001) == Position(begun, 5001)


async def _waiters(engines: Engines, count: int) -> None:
    async def wait() -> bool:
        return len(await sql(engines, "SELECT 1 FROM pg_locks WHERE NOT granted")) >= count

    await until(wait)


async def _locked_history(log: Log) -> History:
    async with log.store.writing() as transaction:
        return (await transaction.lock_head(log.project)).history


async def test_a_project_is_made_in_the_epoch_in_force(engines: Engines):
    begun, _ = await asyncio.gather(begin(engines), SqlRegistry(engines).create("at once"))
    assert await sql(engines, "SELECT DISTINCT epoch_id FROM heads") == [(begun,)]
    await SqlRegistry(engines).create("afterwards")
    assert await sql(engines, "SELECT DISTINCT epoch_id FROM heads") == [(begun,)]


async def test_forks_follow_a_head_that_went_back(engines: Engines):
    """A log was restored without its epochs."""
    log = await log_in(engines, "one")
    for revision in (1000, 2000, 3000):
        await log.write(log.version(f"e{revision}", revision))
        await begin(engines)
    held = [(await history_of(log)).at(revision) for revision in (1000, 2000, 3000)]
    await sql(engines, f"DELETE FROM entities WHERE revision > 1500 AND project_id = {log.project}")
    await begin(engines)
    await log.write(log.version("new", 4000))
    assert [(await history_of(log)).holds(position, 4000) for position in held] == [True, False, False]


async def test_a_page_is_read_again_when_an_epoch_begins_before_its_history_is_known(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
):
    log = await log_in(engines, "one")
    fetch, begun = log.store._rows, []  # type: ignore[attr-defined]  # where the two reads meet

    async def later(statement: str, *parameters: Any) -> Any:
        if "epoch_forks" in statement:
            begun.append(await begin(engines))
        return await fetch(statement, *parameters)

    monkeypatch.setattr(log.store, "_rows", later)
    assert (await history_of(log)).epoch_id == begun[-1]
    assert len(begun) == 1


async def test_ten_thousand_epochs_cost_little(engines: Engines):
    """A server on SQLite that is restarted ten times a day for three years, with every project in use each time."""
    logs = [await log_in(engines, f"project {at}") for at in range(10)]
    for number in (1, 2):
        for log in logs:
            await log.write(log.version("a", number))
        await begin(engines)
    numbers = "WITH RECURSIVE numbers (n) AS (SELECT 4 UNION ALL SELECT n + 1 FROM numbers WHERE n < {most})"
    most = numbers.format(most=MANY_EPOCHS)
    await sql(engines, f"INSERT INTO epochs {most} SELECT n, n, n, 'start', 'start/' || n FROM numbers")
    await sql(engines, f"INSERT INTO epoch_forks {most} SELECT projects.id, n, n FROM numbers, projects")
    await sql(engines, f"UPDATE heads SET head = {MANY_EPOCHS}")
    seconds = {}
    started = time.monotonic()
    await begin(engines)
    seconds["begin"] = time.monotonic() - started
    for name, reads in (("first page", 1), ("next pages", 100)):
        started = time.monotonic()
        for _ in range(reads):
            history = await history_of(logs[0])
        seconds[name] = (time.monotonic() - started) / reads
    print({name: f"{took * 1000:.1f} ms" for name, took in seconds.items()})
    assert history.at(4321) == Position(4321, 4321)
    assert len(history.forks) == MANY_EPOCHS - 1
    assert max(seconds.values()) < 10


async def test_connections_that_are_made_at_once_begin_one_epoch(postgres_url: str):
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(opened_engines(settings_for(postgres_url))) for _ in range(6)]
        for engines in opened:
            await engines.watch_epochs(None)
        await asyncio.gather(*[sql(engines, "SELECT 1") for engines in opened for _ in range(2)])
        causes = [epoch.cause for epoch in await epochs.recorded(opened[0])]
        assert causes == [epochs.Cause.MADE, epochs.Cause.INCARNATION]


async def test_a_role_that_may_see_little_knows_the_incarnation_all_the_same(
    postgres: Any, postgres_url: str, unique: Any
):
    role, database = unique("role").replace("-", "_"), make_url(postgres_url).database or ""
    functions = "pg_control_system(), pg_walfile_name(pg_lsn), pg_current_wal_insert_lsn()"
    await run_sql(postgres, f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    await run_sql(postgres, f"REVOKE EXECUTE ON FUNCTION {functions} FROM PUBLIC", database)
    await run_sql(postgres, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}", database)
    counts = []
    for user in (role, "postgres", role):
        async with opened_engines(settings_for(postgres_url.replace("//postgres:", f"//{user}:", 1))) as engines:
            await engines.watch_epochs(None)
            await sql(engines, "SELECT 1")
            counts.append(len(await epochs.recorded(engines)))
    assert counts == [2, 2, 2]
    await run_sql(postgres, f"DROP OWNED BY {role}", database)
    await run_sql(postgres, f"DROP ROLE {role}")


async def test_a_server_on_postgresql_that_starts_again_begins_no_epoch(postgres_url: str):
    settings = settings_for(postgres_url)
    project = await make_project(settings)
    for number in range(3):
        async with started_server(settings, project) as server, server.client() as client:
            await client.push(change("create", f"a{number}"))
    async with opened_engines(settings) as engines:
        assert len(await epochs.recorded(engines)) == 2
