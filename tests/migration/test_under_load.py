"""A migration on PostgreSQL, beside servers and their clients: nobody waits for it.

`make migration ENTITIES=1000000` has it go through so many; a run of the tests, through a few.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from harness import Project, Server, change, opened_engines, settings_for, started_server
from server.store import older
from syncline_server.identity.projects import KeyKind, hash_key, new_key
from syncline_server.rpc.codec import LAYOUT
from syncline_server.store import phases, schema
from syncline_server.store.engine import Engines
from syncline_server.sync.changes import Version
from syncline_server.sync.keys import entity_key
from waiting import until

ENTITIES = int(os.environ.get("MIGRATION_ENTITIES", "20000"))
USERS, CLIENTS, ROWS_AT_ONCE = 100, 6, 10_000
MOST_SECONDS = 2.0
BEGAN_US = 1_700_000_000_000_000
DATA = '{"title": "what there is to do", "done": false, "notes": "' + "x" * 120 + '"}'


@dataclass
class Waited:
    """How long calls took, by what they were."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    is_over: bool = False

    async def on(self, what: str, call: Awaitable[object]) -> None:
        started = time.monotonic()
        await call
        self.seconds.setdefault(what, []).append(time.monotonic() - started)

    def __str__(self) -> str:
        return ", ".join(
            f"{what}: {len(all_)} calls, p50 {sorted(all_)[len(all_) // 2] * 1000:.0f} ms, longest {max(all_):.2f} s"
            for what, all_ in sorted(self.seconds.items())
        )


@asynccontextmanager
async def under_load(phase: str, *clients: Callable[[Waited], Awaitable[None]]) -> AsyncIterator[Waited]:
    """Have clients call for the time of the block, and longer than none of them waits for anything."""
    waited = Waited()
    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(client(waited))  # type: ignore[arg-type]  # a coroutine
        await until(lambda: waited.seconds)
        yield waited
        waited.is_over = True
    print(f"{phase}: {waited}")
    assert max(max(all_) for all_ in waited.seconds.values()) < MOST_SECONDS


def made(project: int, number: int) -> Version:
    user, entity_id = f"user{number % USERS}", f"e{number}"
    revision = BEGAN_US + number
    return Version(
        entity_key(project, user, "todo", entity_id),
        user,
        "todo",
        entity_id,
        False,
        DATA,
        len(DATA),
        revision,
        revision,
        revision // 1000,
        revision,
        "device:phone",
        False,
        bytes(16),
    )


def rows(project: int) -> Iterator[list[tuple[Any, ...]]]:
    for start in range(0, ENTITIES, ROWS_AT_ONCE):
        versions = [made(project, number) for number in range(start, min(start + ROWS_AT_ONCE, ENTITIES))]
        yield [older.row_of(project, version, LAYOUT.opening(version)) for version in versions]


async def fill(url: str, engines: Engines) -> tuple[int, Project]:
    """Make a database of schema 0003, as its server would have filled it."""
    await older.make_schema(engines, "0003")
    project = await older.make_project(engines, head=BEGAN_US + ENTITIES)
    keys = {kind: new_key(kind) for kind in KeyKind}
    statement = "INSERT INTO project_keys VALUES (:id, :project, :kind, :hash, 0)"
    values = [{"id": key.id, "kind": str(kind), "hash": hash_key(key.text)} for kind, key in keys.items()]
    await older.run(engines, statement, [{**value, "project": project} for value in values])
    driver = await asyncpg.connect(url)
    try:
        for some in rows(project):
            await driver.copy_records_to_table("entities", records=some, columns=older.COLUMNS)
        await driver.execute("VACUUM ANALYZE entities")
    finally:
        await driver.close()
    return project, Project("old", keys[KeyKind.CLIENT].text, keys[KeyKind.SERVER].text, older.SECRET)


def old_pusher(url: str, project: int, number: int) -> Callable[[Waited], Awaitable[None]]:
    """Push as a server of schema 0003 does, until it is refused."""

    async def one(driver: "asyncpg.Connection[Any]", key: str) -> None:
        async with driver.transaction():
            head = await driver.fetchval("SELECT head FROM projects WHERE id = $1 FOR UPDATE", project)
            await driver.execute("UPDATE entities SET revision = $1 WHERE entity_key = $2", head + 1, key)
            await driver.execute("UPDATE projects SET head = $1 WHERE id = $2", head + 1, project)

    async def push(waited: Waited) -> None:
        driver = await asyncpg.connect(url)
        try:
            while not waited.is_over:
                key = made(project, random.randrange(ENTITIES)).key[older.OWNER_CHARACTERS :]
                await waited.on("push of a server before", one(driver, key))
        except asyncpg.CannotConnectNowError:
            pass  # the server that is too old says that it is not available
        finally:
            await driver.close()

    return push


def old_reader(url: str, project: int) -> Callable[[Waited], Awaitable[None]]:
    page = """
        SELECT head, page.* FROM projects, LATERAL (
            SELECT opening, data FROM entities WHERE project_id = $1 AND user_id = $2 AND revision > $3
            ORDER BY revision LIMIT 100) AS page
        WHERE id = $1"""

    async def read(waited: Waited) -> None:
        driver = await asyncpg.connect(url)
        try:
            while not waited.is_over:
                after = BEGAN_US + random.randrange(ENTITIES)
                await waited.on("page of a server before", driver.fetch(page, project, "user1", after))
        finally:
            await driver.close()

    return read


def app(server: Server, number: int) -> Callable[[Waited], Awaitable[None]]:
    """Push edits of old entities and new ones, and read pages, by the server of today."""

    async def use(waited: Waited) -> None:
        async with server.client(f"user{number}", device=f"phone{number}") as client:
            while not waited.is_over:
                old = random.randrange(ENTITIES // USERS) * USERS + number
                await waited.on("push", client.push(change("update", f"e{old}", {"done": True})))
                after = BEGAN_US + random.randrange(ENTITIES)
                await waited.on("page", client.pull("todo", after_revision=after, page_size=100))

    return use


@pytest.mark.timeout(3600)
async def test_nobody_waits_for_a_migration(bare_postgres_url: str):
    settings = settings_for(bare_postgres_url)
    async with opened_engines(settings) as engines:
        project, its = await fill(bare_postgres_url, engines)
        before = [old_pusher(bare_postgres_url, project, number) for number in range(CLIENTS)]
        before += [old_reader(bare_postgres_url, project) for _ in range(CLIENTS)]
        async with under_load("expand", *before):
            await timed("expand", schema.migrate(engines))
        async with started_server(settings, its) as server:
            apps = [app(server, number) for number in range(CLIENTS)]
            async with under_load("backfill", *apps):
                await timed("backfill", until(lambda: has_nothing_left(engines), within_seconds=None))
            async with under_load("contract", *apps):
                await timed("contract", phases.finish(engines))
        wrong = "length(entity_key) <> 30 OR committed_ms IS NULL"
        found = await older.run(engines, f"SELECT count(*), count(*) FILTER (WHERE {wrong}) FROM entities")
    assert found == [(ENTITIES, 0)]


async def has_nothing_left(engines: Engines) -> bool:
    return (await phases.status(engines)).projects_left == 0


async def timed(what: str, work: Awaitable[object]) -> None:
    started = time.monotonic()
    await work
    print(f"{what} of {ENTITIES:,} entities took {time.monotonic() - started:.1f} s")
