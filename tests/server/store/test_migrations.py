"""A migrated database is the one that tables.py states, and only such a one is served."""

import asyncio
from importlib import import_module
from pathlib import Path

import hypothesis.strategies as st
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import example, given
from sqlalchemy import Connection, inspect, text

from harness import opened_engines, settings_for
from partitioned import PARTITIONS
from syncline_server.rpc.codec import LAYOUT
from syncline_server.store import migrations, schema
from syncline_server.store.engine import Engines
from syncline_server.store.migrations.upgrade import config
from syncline_server.store.opening import prepare_schema
from syncline_server.store.tables import metadata
from syncline_server.store.wanted_schema import WANTED, SchemaNotCurrent
from syncline_server.sync.changes import Version
from syncline_server.sync.circle import Checkpoint

as_the_server_makes_it = pytest.mark.skipif(PARTITIONS > 0, reason="the tables have been partitioned")


def differences(connection: Connection) -> list[object]:
    # On SQLite a key that numbers itself is taken for a default.
    with_defaults = connection.dialect.name != "sqlite"
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": with_defaults}
    )
    return list(compare_metadata(context, metadata))


def shape(connection: Connection) -> dict[str, object]:
    """Describe what compare_metadata leaves out: keys, uniqueness, checks, collations, nullability."""
    inspector = inspect(connection)
    options = "SELECT attname, attoptions FROM pg_attribute WHERE attoptions IS NOT NULL"
    told = connection.execute(text(options)).all() if connection.dialect.name == "postgresql" else []
    return {"told": [tuple(row) for row in told]} | {
        table: (
            inspector.get_pk_constraint(table)["constrained_columns"],
            sorted((one["name"], one["column_names"], bool(one["unique"])) for one in inspector.get_indexes(table)),
            sorted(str(one["name"]) for one in inspector.get_check_constraints(table)),
            sorted(
                (one["name"], one["nullable"], getattr(one["type"], "collation", None))
                for one in inspector.get_columns(table)
            ),
        )
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


@as_the_server_makes_it
async def test_a_migrated_schema_is_the_one_that_is_stated(engines: Engines):
    async with engines.writing.begin() as connection:
        assert await connection.run_sync(differences) == []


@as_the_server_makes_it
async def test_a_migrated_schema_has_the_keys_and_indexes_that_are_stated(engines: Engines):
    async with engines.writing.begin() as connection:
        migrated = await connection.run_sync(shape)
        await connection.execute(text("DROP TABLE alembic_version"))
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        assert await connection.run_sync(shape) == migrated


async def test_migrating_twice_changes_nothing(engines: Engines):
    before = await schema.open_checkpoints(engines)
    assert await schema.migrate(engines) == await schema.migrate(engines)
    after = await schema.open_checkpoints(engines)
    scope = before.scope_tag(1, "ada")
    assert after.decode(scope, before.encode(scope, Checkpoint(7, 5, 5))) == Checkpoint(7, 5, 5)


@given(
    entity_id=st.text(st.characters(exclude_categories=["C"]), max_size=60),
    data=st.text(max_size=300),
    revision=st.integers(0, 2**53),
    created=st.integers(0, 2**53),
    timestamp_us=st.integers(0, 253_402_300_799_999_999),
)
@example(entity_id="e", data="{}", revision=1, created=1, timestamp_us=0)
@example(entity_id="e", data="{}", revision=1, created=1, timestamp_us=1_000_000)
def test_the_bytes_that_the_third_schema_writes_are_those_of_the_contract(
    entity_id: str, data: str, revision: int, created: int, timestamp_us: int
):
    """A migration is frozen: should the contract lay versions out otherwise one day, this is where it says so."""
    row = Version(
        key="k",
        user_id="ada",
        entity_type="todo",
        entity_id=entity_id,
        deleted=False,
        data=data,
        size_bytes=len(data.encode()),
        revision=revision,
        created_revision=created,
        committed_ms=timestamp_us // 1000,
        client_timestamp_us=timestamp_us,
        session="",
        merged_unseen=False,
        digest=b"",
    )
    assert import_module(f"{migrations.__name__}.versions.0003_pages").opening_of(row) == LAYOUT.opening(row)


def test_a_migration_knows_nothing_of_the_living_code():
    scripts = list(Path(migrations.__file__).parent.glob("*/*.py"))
    assert len(scripts) >= 3
    for script in scripts:
        living = [line for line in script.read_text().splitlines() if "syncline_server" in line and FROZEN not in line]
        assert living == [], script.name


def test_the_schema_that_is_wanted_is_the_last_of_the_migrations():
    scripts = ScriptDirectory.from_config(config())
    numbers = [script.revision for script in scripts.walk_revisions("base", "heads")]
    assert numbers == sorted(numbers, reverse=True)
    assert scripts.get_heads() == numbers[:1] == [WANTED]


async def test_a_current_schema_is_served(engines: Engines):
    await schema.check_current(engines)
    await prepare_schema(engines)


async def test_an_empty_postgresql_is_not_served(bare_postgres: Engines):
    with pytest.raises(SchemaNotCurrent) as refused:
        await prepare_schema(bare_postgres)
    assert "at nothing" in str(refused.value)
    assert "syncline migrate" in str(refused.value)


async def test_a_schema_of_a_newer_version_is_neither_served_nor_migrated(engines: Engines):
    async with engines.writing.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaNotCurrent) as refused:
        await schema.check_current(engines)
    assert refused.value.newer
    with pytest.raises(SchemaNotCurrent):
        await schema.migrate(engines)


async def test_an_empty_sqlite_file_is_migrated_when_it_is_prepared(sqlite_url: str):
    async with opened_engines(settings_for(sqlite_url)) as engines:
        with pytest.raises(SchemaNotCurrent):
            await schema.check_current(engines)
        await prepare_schema(engines)
        await schema.check_current(engines)


async def test_processes_that_migrate_at_once_take_turns(bare_postgres: Engines):
    migrated = await asyncio.gather(*[schema.migrate(bare_postgres) for _ in range(3)])
    assert migrated == [WANTED] * 3
    async with bare_postgres.reading.connect() as connection:
        counts = [(await connection.execute(text(f"SELECT count(*) FROM {name}"))).scalar_one() for name in HISTORY]
    assert counts == [1, 1]


FROZEN = "syncline_server.store.migrations.frozen"
HISTORY = ("epochs", "checkpoint_keys")


async def test_a_database_whose_migration_failed_is_not_served(bare_engines: Engines, monkeypatch: pytest.MonkeyPatch):
    async def fail(_connection: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(schema, "ensure_history", fail)
    with pytest.raises(ZeroDivisionError):
        await schema.migrate(bare_engines)
    monkeypatch.undo()
    with pytest.raises(SchemaNotCurrent):
        await schema.check_current(bare_engines)
    assert await schema.migrate(bare_engines) == WANTED
    await schema.open_checkpoints(bare_engines)
