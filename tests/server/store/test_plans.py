"""Every hot statement goes through its index: on a fresh, a grown and an analysed table.

PostgreSQL plans a table it has never analysed by guesswork, and plans anew as the table grows: that has cost a factor
of ten once (shared/style.md, pitfalls). On the grown table a statement was prepared and used while it was empty.
"""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from harness import opened_engines, settings_for
from plans import (
    OF_ONE_USER,
    POSTGRESQL_STATES,
    SQLITE_STATES,
    Plan,
    Statement,
    hot_statements,
    postgresql_plan,
    prepare,
    sqlite_plan,
)
from storage import Log, log_in, run_sql, url_of
from syncline_server.store import schema

ROWS, ROWS_AT_ONCE, USERS = 20_000, 2_500, 25

Plans = dict[tuple[str, str], tuple[Statement, Plan]]


def names(*, is_sqlite: bool) -> list[str]:
    return [one.name for one in hot_statements(is_sqlite=is_sqlite, project=1, keys=[])]


async def grow(log: Log) -> list[str]:
    """Insert rows of many users and return some of their keys."""
    keys = []
    for start in range(1, ROWS, ROWS_AT_ONCE):
        made = [
            log.version(f"e{at}", at, user_id=f"user{at % USERS}", entity_type=f"t{at % 7}")
            for at in range(start, start + ROWS_AT_ONCE)
        ]
        await log.write(*made)
        keys.append(made[0].key)
        await log.remember(
            *[log.pushed(f"p{at}", at, user=f"user{at % USERS}") for at in range(start, start + ROWS_AT_ONCE)]
        )
    return keys


@pytest.fixture(scope="module")
async def sqlite_plans(tmp_path_factory: pytest.TempPathFactory) -> Plans:
    plans: Plans = {}
    async with opened_engines(settings_for(f"sqlite:///{tmp_path_factory.mktemp('plans') / 'plans.db'}")) as engines:
        await schema.migrate(engines)
        log = await log_in(engines, "plans")
        for state in SQLITE_STATES:
            keys = await grow(log) if state == "grown" else ["key"] * 10
            if state == "analysed":
                async with engines.writing.begin() as connection:
                    await connection.execute(text("ANALYZE"))
                await engines.close()  # connections read what ANALYZE found when they open
            for statement in hot_statements(is_sqlite=True, project=log.project, keys=keys):
                engine = engines.writing if statement.writes else engines.reading
                plans[state, statement.name] = statement, await sqlite_plan(engine, statement)
    return plans


@pytest.fixture(scope="module")
async def postgresql_plans(postgres: object, postgres_template: str) -> AsyncIterator[Plans]:
    await run_sql(postgres, f"CREATE DATABASE plans TEMPLATE {postgres_template}")
    plans: Plans = {}
    async with opened_engines(settings_for(url_of(postgres, "plans"))) as engines:
        log = await log_in(engines, "plans")
        statements = list(hot_statements(is_sqlite=False, project=log.project, keys=["key"] * 10))
        async with engines.writing.connect() as writing, engines.reading.connect() as reading:
            connections = [writing if statement.writes else reading for statement in statements]
            for number, (connection, statement) in enumerate(zip(connections, statements, strict=True)):
                await prepare(connection, number, statement)
            for state in POSTGRESQL_STATES:
                if state == "grown":
                    await grow(log)
                rows = OF_ONE_USER.get(state, 0)
                if rows:
                    await log.write(*[log.version(f"{state}-{at}", ROWS + rows + at) for at in range(rows)])
                    await log.remember(*[log.pushed(f"{state}-{at}", ROWS + rows + at) for at in range(rows)])
                if rows or state == "analysed":
                    await run_sql(postgres, "ANALYZE", database="plans")
                for number, (connection, statement) in enumerate(zip(connections, statements, strict=True)):
                    plan = await postgresql_plan(connection, number, statement)
                    plans[state, statement.name] = statement, plan
    yield plans
    await run_sql(postgres, "DROP DATABASE plans WITH (FORCE)")


def is_as_meant(statement: Statement, plan: Plan) -> bool:
    assert plan.indexes == statement.indexes, plan
    assert not plan.others or (statement.sorts and plan.others == ("Sort",)), plan
    if statement.name.startswith(("page", "news")):
        ranges = [one for one in plan.conditions if "revision>" in one.replace(" ", "")]
        assert ranges, "reads from its position on, not from the start"
    return True


@pytest.mark.parametrize("state", SQLITE_STATES)
@pytest.mark.parametrize("name", names(is_sqlite=True))
def test_sqlite_goes_through_the_index_that_is_meant(sqlite_plans: Plans, state: str, name: str):
    assert is_as_meant(*sqlite_plans[state, name])


@pytest.mark.parametrize("state", POSTGRESQL_STATES)
@pytest.mark.parametrize("name", names(is_sqlite=False))
def test_postgresql_goes_through_the_index_that_is_meant(postgresql_plans: Plans, state: str, name: str):
    assert is_as_meant(*postgresql_plans[state, name])
