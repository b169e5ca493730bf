"""The WAL of SQLite stays short, whatever the size of what is committed."""

import asyncio
import os
from pathlib import Path

from harness import change, settings_for, started_server

MOST_BYTES = 16 * 1024 * 1024
BYTES = 250_000


async def test_the_wal_stays_short_under_large_pushes(sqlite_url: str):
    wal = Path(f"{sqlite_url.removeprefix('sqlite:///')}-wal")
    longest = 0
    async with started_server(settings_for(sqlite_url)) as server, server.client() as client:
        for _ in range(40):
            await client.push(*[change("update", f"e{at}", {"text": os.urandom(BYTES // 2).hex()}) for at in range(8)])
            longest = max(longest, wal.stat().st_size)
    assert longest < MOST_BYTES, f"{longest:,} bytes"


async def test_the_wal_stays_short_beside_readers_that_overlap(sqlite_url: str):
    wal = Path(f"{sqlite_url.removeprefix('sqlite:///')}-wal")
    async with started_server(settings_for(sqlite_url)) as server, server.client() as client:

        async def read() -> None:
            while True:
                await client.pull_all("todo")

        readers = [asyncio.create_task(read()) for _ in range(4)]
        for at in range(40):
            await client.push(*[change("update", f"e{n}", {"at": at, "text": "x" * 200_000}) for n in range(8)])
        longest = wal.stat().st_size
        for reader in readers:
            reader.cancel()
        await asyncio.wait(readers)
    assert longest < 2 * MOST_BYTES, f"{longest:,} bytes"
