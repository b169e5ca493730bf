"""What a database that is away, busy or full looks like to the rules; nothing of its driver is told."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from harness import opened_engines, settings_for
from storage import log_in, run_sql, url_of
from syncline_server.store import schema
from syncline_server.store.catalogue import all_projects
from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.registry import SqlRegistry
from syncline_server.sync.errors import StoreUnavailable

TERMINATE = "SELECT pg_terminate_backend(pid, 3000) FROM pg_stat_activity WHERE datname = current_database() AND"
HOLD_THE_FILE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def held_by_another_process(path: str) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD_THE_FILE, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        yield
        holder.communicate("\n")


async def is_unavailable(call: Awaitable[object]) -> bool:
    with pytest.raises(StoreUnavailable) as refused:
        await call
    assert str(refused.value) == StoreUnavailable.message
    assert refused.value.__cause__ is not None
    return True


@asynccontextmanager
async def engines_of(url: str) -> AsyncIterator[Engines]:
    async with opened_engines(settings_for(url)) as engines:
        yield engines


async def test_a_sqlite_file_locked_by_another_process_is_waited_for_one_second(sqlite_url: str):
    async with engines_of(sqlite_url) as engines:
        await schema.migrate(engines)
        log = await log_in(engines, "test")
        with held_by_another_process(sqlite_url.removeprefix("sqlite:///")):
            started_at = time.monotonic()
            assert await is_unavailable(log.write(log.version("e1", 10)))
            assert 0.8 < time.monotonic() - started_at < 4
            assert (await log.page()).changes == b""
        await log.write(log.version("e1", 10))
        assert (await log.page()).count == 1


async def test_a_head_locked_on_postgresql_is_waited_for_three_seconds(postgres_url: str):
    async with engines_of(postgres_url) as engines:
        log = await log_in(engines, "test")
        holder = await asyncpg.connect(postgres_url)
        try:
            async with holder.transaction():
                await holder.execute("SELECT * FROM heads FOR UPDATE")
                started_at = time.monotonic()
                assert await is_unavailable(log.write(log.version("e1", 10)))
                assert 0.8 < time.monotonic() - started_at < 4
        finally:
            await holder.close()
        await log.write(log.version("e1", 10))
        assert (await log.page()).count == 1


async def test_connections_that_postgresql_has_ended_fail_nobody(postgres_url: str):
    async with engines_of(postgres_url) as engines:
        log = await log_in(engines, "test")
        await log.write(log.version("e1", 10))
        await log.page()
        admin = await asyncpg.connect(postgres_url)
        try:
            await admin.execute(f"{TERMINATE} application_name ~ 'syncline'")
        finally:
            await admin.close()
        await log.write(log.version("e2", 20))
        assert (await log.page()).count == 2


async def test_a_connection_that_ends_within_a_transaction_leaves_nothing(postgres_url: str):
    async with engines_of(postgres_url) as engines:
        log = await log_in(engines, "test")
        killer = await asyncpg.connect(postgres_url)

        async def write_and_be_ended() -> None:
            async with log.store.writing() as transaction:
                await transaction.lock_head(log.project)
                await transaction.write({log.project: [log.version("e1", 10)]})
                await killer.execute(f"{TERMINATE} application_name = 'syncline-write'")
                await transaction.large_data(log.project, {"e1": 5})

        try:
            assert await is_unavailable(write_and_be_ended())
        finally:
            await killer.close()
        assert (await log.page()).project_head == 0


CALLS: list[Callable[[Engines], Awaitable[object]]] = [
    schema.check_current,
    schema.open_checkpoints,
    lambda engines: SqlRegistry(engines).find_key("x"),
    lambda engines: all_projects(EngineCatalogue(engines)),
    lambda engines: SqlRegistry(engines).create("x"),
]


@pytest.mark.parametrize("call", CALLS, ids=["check", "checkpoints", "key", "projects", "create"])
async def test_a_postgresql_that_is_not_there_is_unavailable(call: Callable[[Engines], Awaitable[object]]):
    async with engines_of("postgresql://user:secret@127.0.0.1:1/nothing") as engines:
        assert await is_unavailable(call(engines))


@pytest.mark.parametrize("refusal", ["is not there", "takes no connections"])
async def test_a_database_that_refuses_connections_is_unavailable(postgres: object, postgres_url: str, refusal: str):
    name = make_url(postgres_url).database
    if refusal == "takes no connections":
        await run_sql(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    async with engines_of(url_of(postgres, name if refusal == "takes no connections" else "nowhere")) as engines:
        assert await is_unavailable(all_projects(EngineCatalogue(engines)))


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionRefusedError(), OSError("disk")])
def test_errors_of_the_operating_system_are_unavailable(error: OSError):
    with pytest.raises(StoreUnavailable), translated():
        raise error


@pytest.mark.parametrize(
    ("sqlstate", "unavailable"),
    [
        ("08006", True),
        ("25P03", True),
        ("28P01", True),
        ("3D000", True),
        ("25006", True),
        ("40P01", True),
        ("53100", True),
        ("53300", True),
        ("55P03", True),
        ("57014", True),
        ("57P01", True),
        ("58030", True),
        ("42P01", True),  # tables are gone while a dump is restored
        ("42703", False),
        ("42601", False),
        ("XX000", False),
    ],
)
def test_a_sqlstate_tells_trouble_from_a_defect(sqlstate: str, unavailable: bool):
    original = sqlite3.Error("postgresql://user:secret@db")
    original.sqlstate = sqlstate
    with pytest.raises(StoreUnavailable if unavailable else DBAPIError), translated():
        raise DBAPIError("SELECT", None, original)


def test_trouble_of_sqlite_is_unavailable():
    with pytest.raises(StoreUnavailable), translated():
        raise OperationalError("INSERT", None, sqlite3.OperationalError("database or disk is full"))


async def test_errors_never_quote_what_was_to_be_stored(log):
    secret = log.version("e1", 10, data=None, session="never to be logged")
    with pytest.raises(Exception, match=r"null|NULL") as refused:
        await log.write(secret)
    assert "never to be logged" not in str(refused.value.__cause__)


async def test_a_read_that_is_cancelled_leaves_no_old_snapshot_behind(log):
    """A cursor left open would pin its connection to the moment of its read, and later readers with it."""
    await log.write(*[log.version(f"e{at}", 10 + at) for at in range(1000)])
    for after in range(40):
        reading = asyncio.create_task(log.page(limit=1000))
        await asyncio.sleep(after * 0.0005)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    await log.write(log.version("last", 5000))
    pages = await asyncio.gather(*[log.page(4000) for _ in range(16)])
    assert {page.project_head for page in pages} == {5000}
