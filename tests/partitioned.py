"""A PostgreSQL database whose tables are partitioned by project: what an engine that distributes them would make of it.

The schema as it is, but for the partitions. `SYNCLINE_TEST_PARTITIONS=8` has tests run on such databases.
"""

import os
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from syncline_server.store.engine import Engines
from syncline_server.store.tables import metadata

PARTITIONS = int(os.environ.get("SYNCLINE_TEST_PARTITIONS", "0"))
"""How many partitions each table has on PostgreSQL; 0: tables are as the server makes them."""
TABLES = sorted(table.name for table in metadata.tables.values() if "project_id" in table.c)
_INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes WHERE tablename = '{table}' AND NOT EXISTS (
        SELECT FROM pg_constraint WHERE conname = indexname)"""
_CONSTRAINTS = """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = '{table}'::regclass AND contype IN ('p', 'c', 'f')"""
_OPTIONS = """
    SELECT attname, attoptions FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attoptions IS NOT NULL"""


async def partition(engines: Engines, partitions: int) -> None:
    """Give every empty table of projects so many partitions, by hash of the project."""
    async with engines.writing.begin() as connection:
        for table in TABLES:
            await _partition(connection, table, partitions)


async def partition_if_asked(engines: Engines) -> None:
    """Partition the tables of a database on PostgreSQL where the tests are to run on such ones."""
    if PARTITIONS and engines.is_shared:
        await partition(engines, PARTITIONS)


async def _partition(connection: AsyncConnection, table: str, partitions: int) -> None:
    async def run(statement: str) -> list[Any]:
        result = await connection.execute(text(statement.format(table=table)))
        return list(result.all()) if result.returns_rows else []

    assert await run("SELECT 1 FROM {table} LIMIT 1") == [], "tables are partitioned while they are empty"
    indexes, constraints, options = await run(_INDEXES), await run(_CONSTRAINTS), await run(_OPTIONS)
    await run("ALTER TABLE {table} RENAME TO whole")
    await run("CREATE TABLE {table} (LIKE whole) PARTITION BY HASH (project_id)")
    await run("DROP TABLE whole")
    for number in range(partitions):
        part = f"{table}_{number}"
        await run(
            f"CREATE TABLE {part} PARTITION OF {{table}} FOR VALUES WITH (MODULUS {partitions}, REMAINDER {number})"
        )
        for name, its_options in options:
            await run(f"ALTER TABLE {part} ALTER COLUMN {name} SET ({', '.join(its_options)})")
    for name, definition in constraints:
        await run(f"ALTER TABLE {{table}} ADD CONSTRAINT {name} {definition}")
    for _, definition in indexes:
        await run(definition)
