"""What has expired goes in small batches, and no push waits for it; ROWS=3000000 for as many rows."""

import asyncio
import fcntl
import os
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from harness import change, make_project, opened_engines, settings_for, started_server
from syncline_server.settings import ServerSettings
from syncline_server.store.retention import forget_expired
from syncline_server.store.tables import session_positions

ROWS = int(os.environ.get("ROWS", "20000"))
LONGEST_PUSH_SECONDS = 0.5
NAMES = [column.name for column in session_positions.c]
EXPIRY = next(name for name in NAMES if name in {"expires_at_us", "updated_at_us"})
EXPIRED = f"SELECT count(*) FROM session_positions WHERE {EXPIRY} < 1000000000"

pytestmark = pytest.mark.timeout(3600)


async def make_expired(settings: ServerSettings, rows: int) -> None:
    """Make positions of long ago, as copies of one that is there."""
    kept = [name for name in NAMES if name not in {"session_key", EXPIRY}]
    made = f"""
        INSERT INTO session_positions (session_key, {EXPIRY}, {", ".join(kept)})
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
        SELECT KEY, i, {", ".join(kept)} FROM n, (SELECT * FROM session_positions LIMIT 1) AS one"""
    async with opened_engines(settings) as engines:
        key = "md5(i::text)" if engines.is_shared else "hex(randomblob(16))"
        async with engines.writing_alone(), engines.writing.begin() as connection:
            await engines.wait_without_limit(connection)
            await connection.execute(text(made.replace("KEY", key).replace("::", r"\:\:")))


async def expired(settings: ServerSettings) -> int:
    async with opened_engines(settings) as engines, engines.reading.connect() as connection:
        return int((await connection.execute(text(EXPIRED))).scalar_one())


async def test_old_positions_go_while_pushes_go_on(database_url: str):
    settings = settings_for(database_url)
    project = await make_project(settings)
    async with started_server(settings, project) as server, server.client(device="phone") as client:
        token = (await client.push(change("create", "a"))).checkpoint_token
        await client.pull("todo", checkpoint_token=token)
    await make_expired(settings, ROWS)
    longest, pushes, started = 0.0, 0, time.monotonic()
    async with started_server(settings, project) as server, server.client(device="phone") as client:
        while True:
            for _ in range(20):
                before = time.monotonic()
                await client.push(change("update", "a", {"at": pushes}))
                longest, pushes = max(longest, time.monotonic() - before), pushes + 1
            if await expired(settings) == 0:
                break
    print(f"{ROWS:,} rows gone in {time.monotonic() - started:.1f} s; {pushes} pushes, the slowest {longest:.3f} s")
    assert longest < LONGEST_PUSH_SECONDS


async def test_the_clean_up_waits_for_no_lock_on_the_event_loop(sqlite_url: str):
    settings = settings_for(sqlite_url)
    project = await make_project(settings)
    async with started_server(settings, project) as server, server.client(device="phone") as client:
        token = (await client.push(change("create", "a"))).checkpoint_token
        await client.pull("todo", checkpoint_token=token)
    await make_expired(settings, 1200)
    lock = Path(sqlite_url.removeprefix("sqlite:///")).with_suffix(".checkpoint")
    async with opened_engines(settings) as engines, asyncio.timeout(20):
        with lock.open("w") as held:
            # As a command that writes holds it.
            fcntl.flock(held, fcntl.LOCK_EX)
            assert await forget_expired(engines) == 1200
