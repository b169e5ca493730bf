"""The schema can be distributed by project: the store works on PostgreSQL tables that are partitioned so.

`make partitioned` runs all tests of the store and of the rules on such tables; here are a few of them.
"""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness import opened_engines, settings_for
from partitioned import PARTITIONS, TABLES, partition
from plans import OF_SEVERAL, Plan, Statement, hot_statements, postgresql_plan, prepare
from storage import Log, log_in, run_sql, url_of

ROOT = Path(__file__).parents[3]
SOME = ("tests/server/store/test_writing.py", "tests/server/store/test_pages.py", "tests/server/sync/test_groups.py")
HERE = 4


@pytest.fixture(scope="module")
async def partitioned(postgres: object, postgres_template: str) -> AsyncIterator[Log]:
    """The log of a project in a database whose tables are partitioned."""
    await run_sql(postgres, f"CREATE DATABASE partitioned TEMPLATE {postgres_template}")
    async with opened_engines(settings_for(url_of(postgres, "partitioned"))) as engines:
        if not PARTITIONS:
            await partition(engines, HERE)
        yield await log_in(engines, "one")
    await run_sql(postgres, "DROP DATABASE partitioned WITH (FORCE)")


async def plans_of(log: Log) -> AsyncIterator[tuple[Statement, Plan]]:
    statements = list(hot_statements(is_sqlite=False, project=log.project, keys=["key"] * 10))
    async with log.engines.writing.connect() as writing, log.engines.reading.connect() as reading:
        for number, statement in enumerate(statements):
            connection = writing if statement.writes else reading
            await prepare(connection, number, statement)
            yield statement, await postgresql_plan(connection, number, statement)


async def test_every_hot_statement_looks_into_one_partition_of_a_table(partitioned: Log):
    async for statement, plan in plans_of(partitioned):
        if statement.name == "heads" or OF_SEVERAL in statement.name:
            continue  # of many projects, by intention
        parts = {name.rpartition("_idx")[0] or name for name in plan.relations}
        for table in TABLES:
            found = [one for one in parts if one.startswith(f"{table}_") and one.removeprefix(f"{table}_").isdecimal()]
            assert len(found) <= 1, (statement.name, found)


@pytest.mark.skipif(PARTITIONS > 0, reason="all tests run so")
def test_some_tests_of_the_store_and_the_rules_hold_on_partitioned_tables():
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", "-k", "postgresql", *SOME]
    environment = {**os.environ, "SYNCLINE_TEST_PARTITIONS": str(HERE)}
    run = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stdout[-3000:]
