"""Lists for operators are read by the index whose order they have, on a table that has grown and is analysed."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from harness import opened_engines, settings_for
from plans import Plan, Statement, postgresql_plan, prepare, sqlite_plan
from storage import log_in, run_sql, url_of
from syncline_server.store import inventory, schema

ROWS = 3_000
AUTO = "sqlite_autoindex_{}_1"
LISTS = {
    "projects": (inventory.PROJECTS, ("a", 50), ("uq_projects_name",), ("sqlite_autoindex_projects_1",)),
    "users": (inventory.USERS, ("{project}", "", "z", 50), ("ix_entities_user_revision",), None),
    "devices": (
        inventory.DEVICES,
        ("{project}", "", "", "", 50),
        ("ix_session_positions_user_id", "ix_entities_user_revision"),
        None,
    ),
    "entity": (inventory.ENTITY, ("key", "{project}"), ("pk_entities",), (AUTO.format("entities"),)),
    "epochs": (inventory.EPOCHS, (1, 50), ("pk_epochs",), ("INTEGER PRIMARY KEY",)),
    "audit": (inventory.AUDIT, (2**62, "", 50), ("pk_audit",), (AUTO.format("audit"),)),
    "audit of a project": (inventory.AUDIT_OF_PROJECT, ("app", 2**62, "", 50), ("ix_audit_project",), None),
}

MADE = {
    "projects (id, name, created_at_us)": "({0}, 'p{0}', {0})",
    "epochs (number, id, started_at_us, cause, incarnation)": "({0}, {0}, {0}, 'made', '')",
}


def statements(project: int, *, is_sqlite: bool) -> dict[str, Statement]:
    made = {}
    for name, (sql, parameters, indexes, of_sqlite) in LISTS.items():
        used = (of_sqlite if is_sqlite else None) or indexes
        values = tuple(project if one == "{project}" else one for one in parameters)
        made[name] = Statement(name, sql, values, writes=False, indexes=frozenset(used))
    return made


async def fill(engines: object) -> int:
    log = await log_in(engines, "app")  # type: ignore[arg-type]
    await log.write(
        *[log.version(f"e{at}", at, user_id=f"user{at % 25}") for at in range(1, ROWS)],
        positions=[log.position(log.session(f"s{at}"), "", at) for at in range(1, 300)],
    )
    acts = [f"({at}, 'id{at}', 'ada', 'act', 'p{at % 9}', '')" for at in range(ROWS)]
    async with engines.writing.begin() as connection:  # type: ignore[attr-defined]
        await connection.execute(text(f"INSERT INTO audit VALUES {', '.join(acts)}"))
        for table, columns in MADE.items():
            rows = ", ".join(columns.format(at) for at in range(100, 400))
            await connection.execute(text(f"INSERT INTO {table} VALUES {rows}"))
        await connection.execute(text("ANALYZE"))
    return log.project


@pytest.fixture(scope="module")
async def sqlite_plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    async with opened_engines(settings_for(f"sqlite:///{tmp_path_factory.mktemp('lists') / 'lists.db'}")) as engines:
        await schema.migrate(engines)
        project = await fill(engines)
        await engines.close()  # connections read what ANALYZE found when they open
        found = statements(project, is_sqlite=True)
        return {name: await sqlite_plan(engines.reading, one) for name, one in found.items()}


@pytest.fixture(scope="module")
async def postgresql_plans(postgres: object, postgres_template: str) -> AsyncIterator[dict[str, Plan]]:
    await run_sql(postgres, f"CREATE DATABASE lists TEMPLATE {postgres_template}")
    async with opened_engines(settings_for(url_of(postgres, "lists"))) as engines:
        project = await fill(engines)
        plans = {}
        async with engines.reading.connect() as connection:
            for number, (name, one) in enumerate(statements(project, is_sqlite=False).items()):
                await prepare(connection, number, one)
                plans[name] = await postgresql_plan(connection, number, one)
    yield plans
    await run_sql(postgres, "DROP DATABASE lists WITH (FORCE)")


@pytest.mark.parametrize("name", LISTS)
def test_sqlite_reads_a_list_by_the_index_of_its_order(sqlite_plans: dict[str, Plan], name: str):
    plan, meant = sqlite_plans[name], statements(0, is_sqlite=True)[name]
    assert plan.indexes == meant.indexes, plan
    assert not [one for one in plan.others if "SCAN users" not in one and "LAST" not in one], plan


@pytest.mark.parametrize("name", LISTS)
def test_postgresql_reads_a_list_by_the_index_of_its_order(postgresql_plans: dict[str, Plan], name: str):
    plan, meant = postgresql_plans[name], statements(0, is_sqlite=False)[name]
    assert plan.indexes == meant.indexes, plan
    # What has one user is sorted by device: there are few of them.
    assert not plan.others or (name == "devices" and plan.others == ("Incremental Sort",)), plan
