"""On SQLite, transactions that wait together are committed together; each stands or falls by itself."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import pytest

from harness import opened_engines, settings_for
from storage import Log, log_in, nothing_can_be_written
from syncline_server.store import schema
from syncline_server.store.sqlite.connections import SqliteWriter
from syncline_server.sync.errors import StoreUnavailable
from syncline_server.sync.store import StoreRejected


@pytest.fixture
async def logs(sqlite_url: str) -> AsyncIterator[list[Log]]:
    """The logs of ten projects in one database."""
    async with opened_engines(settings_for(sqlite_url)) as engines:
        await schema.migrate(engines)
        yield [await log_in(engines, f"project{at}") for at in range(10)]


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each commit."""
    made: list[str] = []
    commit = SqliteWriter._commit

    def counted(self: SqliteWriter) -> None:
        made.append("commit")
        commit(self)

    monkeypatch.setattr(SqliteWriter, "_commit", counted)
    return made


async def write(log: Log, error: Exception | None = None) -> None:
    async with log.store.writing() as transaction:
        await transaction.lock_head(log.project)
        await transaction.write({log.project: [log.version("e1", 10)]})
        if error is not None:
            raise error


async def counts(logs: list[Log]) -> list[int]:
    return [(await log.page()).count for log in logs]


async def test_all_who_wait_share_a_commit(logs: list[Log], commits: list[str]):
    await asyncio.gather(*[write(log) for log in logs])
    assert await counts(logs) == [1] * 10
    assert len(commits) == 1


async def test_who_comes_during_a_commit_waits_for_the_next(logs: list[Log], commits: list[str]):
    for log in logs:
        await write(log)
    assert len(commits) == 10


@pytest.mark.parametrize("error", [ZeroDivisionError(), sqlite3.IntegrityError("a value"), asyncio.CancelledError()])
async def test_one_that_fails_is_undone_alone(logs: list[Log], commits: list[str], error: Any):
    made = [write(log, error if at == 5 else None) for at, log in enumerate(logs)]
    (*_, failed) = [one for one in await asyncio.gather(*made, return_exceptions=True) if one is not None]
    assert isinstance(failed, StoreRejected if isinstance(error, sqlite3.Error) else type(error))
    assert await counts(logs) == [int(at != 5) for at in range(10)]
    assert len(commits) == 1


@pytest.mark.parametrize("failing", ["_commit", "part"])
async def test_where_the_database_fails_nobody_is_told_that_it_did_not(
    logs: list[Log], monkeypatch: pytest.MonkeyPatch, failing: str
):
    broken = sqlite3.OperationalError("disk I/O error")

    def fail(_: SqliteWriter) -> None:
        raise broken

    if failing == "_commit":
        monkeypatch.setattr(SqliteWriter, "_commit", fail)
    made = [write(log, broken if at == 9 and failing == "part" else None) for at, log in enumerate(logs)]
    outcomes = await asyncio.gather(*made, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    monkeypatch.undo()
    assert await counts(logs) == [0] * 10
    await write(logs[0])


async def test_who_waits_while_another_process_writes_does_not_wait_once_more(logs: list[Log], sqlite_url: str):
    tries: list[str] = []
    begin = SqliteWriter._begin

    async def counted(self: SqliteWriter) -> None:
        tries.append("begin")
        await begin(self)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SqliteWriter, "_begin", counted)
        async with nothing_can_be_written(sqlite_url):
            outcomes = await asyncio.gather(*[write(log) for log in logs], return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    assert len(tries) == 1
    await write(logs[0])
