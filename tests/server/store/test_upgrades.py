"""A database of a version before, brought to this one: what was there is there, also while it is served."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from harness import opened_engines, settings_for
from server.store import older
from storage import Log, revisions_of
from syncline_server.rpc.codec import LAYOUT
from syncline_server.store import epochs, phases, schema
from syncline_server.store.catalogue import all_projects
from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.migrations.frozen import foundations_postgresql
from syncline_server.store.sqlite import upgrade as sqlite_upgrade
from syncline_server.store.sqlite.file import DatabaseInUse
from syncline_server.store.tables import servers
from syncline_server.store.wanted_schema import WANTED, MigrationRefused
from syncline_server.sync.errors import StoreUnavailable
from syncline_server.sync.history import Position
from waiting import until

ENTITIES = 1_234


async def old_log(engines: Engines, entities: int = ENTITIES, users: int = 3) -> Log:
    """Make a log as schema 0003 has it."""
    await older.make_schema(engines, "0003")
    project = await older.make_project(engines, head=100 + entities)
    log = Log(engines.open_store(LAYOUT), engines, project)
    made = [log.version(f"e{at}", 101 + at, user_id=f"user{at % users}") for at in range(entities)]
    await older.write(engines, project, [(version, LAYOUT.opening(version)) for version in made])
    return log


async def complete(engines: Engines) -> None:
    """Go through all the phases of the migration."""
    await schema.migrate(engines)
    await engines.backfill()
    await phases.finish(engines)


async def count(engines: Engines, condition: str) -> int:
    ((found,),) = await older.run(engines, f"SELECT count(*) FROM entities WHERE {condition}")
    return int(found)


async def test_a_database_of_the_second_schema_has_the_same_pages(bare_engines: Engines):
    await older.make_schema(bare_engines, "0002")
    project = await older.make_project(bare_engines, head=2**53)
    log = Log(bare_engines.open_store(LAYOUT), bare_engines, project)
    long = "x" * 70_000
    made = [
        log.version("e1", 10, data='{"é":1}', client_timestamp_us=0),
        log.version("e2", 11, deleted=True, created_revision=5),
        log.version(
            "e" * 128,
            2**53,
            data=f'{{"a":"{long}"}}',
            committed_ms=253_402_300_799_999,
            client_timestamp_us=253_402_300_799_999_999,
        ),
        *[log.version(f"n{at}", 100 + at) for at in range(5_001)],
    ]
    await older.run(bare_engines, "ALTER TABLE entities ADD COLUMN opening bytea")
    await older.write(bare_engines, project, [(version, b"") for version in made])
    await older.run(bare_engines, "ALTER TABLE entities DROP COLUMN opening")
    await complete(bare_engines)
    page = await log.page(limit=10_000)
    laid_out = [LAYOUT.opening(one) + (one.data or "").encode() for one in sorted(made, key=lambda one: one.revision)]
    assert page.count == 5_004
    assert [page.changes.count(one[:60]) for one in laid_out[:3]] == [1, 1, 1]
    assert len(page.changes) == sum(map(len, laid_out)) + 2 * len(made)


async def test_a_database_of_the_first_schema_keeps_its_tokens(bare_engines: Engines):
    await older.make_schema(bare_engines, "0001")
    await older.run(bare_engines, "INSERT INTO epochs (id, started_at_us) VALUES (4711, 1700000000000000)")
    await older.run(
        bare_engines,
        "INSERT INTO projects (name, head, session_secret, created_at_us)"
        " VALUES ('old', 1750000000000000, 'secret', 1700000000000000)",
    )
    await complete(bare_engines)
    [old] = await all_projects(EngineCatalogue(bare_engines))
    assert old.session_secrets == ("secret",)
    await epochs.begin_by_hand(bare_engines)
    found = (await Log(bare_engines.open_store(LAYOUT), bare_engines, old.id).page()).history
    assert found.at(1_750_000_000_000_000) == Position(4711, 1_750_000_000_000_000)
    assert found.epoch_id != 4711


async def test_every_version_is_found_under_its_new_key(bare_engines: Engines):
    log = await old_log(bare_engines)
    before = {user: (await old_page(bare_engines, log, user)) for user in ("user0", "user1", "user2")}
    await complete(bare_engines)
    for user, revisions in before.items():
        page = await log.page(user_id=user, limit=ENTITIES)
        assert revisions_of(page) == revisions
    wanted = [log.version(f"e{at}", 101 + at, user_id=f"user{at % 3}") for at in range(ENTITIES)]
    found = await log.versions(*[one.key for one in wanted])
    assert [found[one.key] for one in wanted] == [one._replace(committed_ms=one.revision // 1000) for one in wanted]


async def old_page(engines: Engines, log: Log, user: str) -> list[int]:
    rows = await older.run(engines, f"SELECT revision FROM entities WHERE user_id = '{user}' ORDER BY revision")
    return [row.revision for row in rows]


async def test_a_push_finds_a_row_that_nobody_has_seen_to_yet_and_does_not_make_another(bare_postgres: Engines):
    log = await old_log(bare_postgres)
    await schema.migrate(bare_postgres)
    old, new = log.version("e5", 106, user_id="user2"), log.version("e5", 9_000, user_id="user2", created_revision=106)
    assert await count(bare_postgres, "committed_ms IS NULL") == ENTITIES
    assert (await log.versions(old.key, "unknown"))[old.key] == old._replace(committed_ms=0)
    await log.write(new)
    assert await count(bare_postgres, "entity_id = 'e5'") == 1
    assert await count(bare_postgres, "committed_ms IS NULL") == ENTITIES - 1
    await bare_postgres.backfill()
    assert await count(bare_postgres, "length(entity_key) <> 30 OR committed_ms IS NULL") == 0
    assert revisions_of(await log.page(user_id="user2", limit=ENTITIES))[-1] == 9_000


async def test_rows_are_seen_to_while_pushes_go_on(bare_postgres: Engines):
    log = await old_log(bare_postgres)
    await schema.migrate(bare_postgres)
    backfilling = asyncio.create_task(bare_postgres.backfill())
    revision = 10_000
    while not backfilling.done():
        revision += 1
        one = log.version(f"e{revision % ENTITIES}", revision, user_id=f"user{revision % ENTITIES % 3}")
        assert await log.versions(one.key)
        await log.write(one)
    await backfilling
    assert await count(bare_postgres, "length(entity_key) <> 30 OR committed_ms IS NULL") == 0
    assert await count(bare_postgres, "true") == ENTITIES


async def test_what_a_server_of_the_version_before_reads_is_true_and_what_it_writes_is_refused(bare_postgres: Engines):
    log = await old_log(bare_postgres)
    await schema.migrate(bare_postgres)
    await log.write(log.version("new", 9_000))
    assert await older.run(bare_postgres, "SELECT head FROM projects") == [(9_000,)]
    with pytest.raises(StoreUnavailable), translated():  # so that its clients come again, and find another server
        await older.run(bare_postgres, "UPDATE projects SET head = 9001")
    await epochs.begin_by_hand(bare_postgres)
    assert await older.run(bare_postgres, "SELECT 1 FROM projects JOIN heads USING (epoch_id)") == [(1,)]


async def test_a_migration_is_not_finished_while_rows_are_left_or_an_older_server_is_alive(bare_postgres: Engines):
    await old_log(bare_postgres)
    await schema.migrate(bare_postgres)
    now = await phases.status(bare_postgres)
    assert (now.schema, now.finished, now.projects_left, now.rows_left) == (WANTED, False, 1, ENTITIES)
    with pytest.raises(MigrationRefused, match=f"{ENTITIES} rows of 1 projects are left"):
        await phases.finish(bare_postgres)
    await bare_postgres.backfill()
    await announce_older(bare_postgres)
    with pytest.raises(MigrationRefused, match=r"alive: 10\.0\.0\.7:1"):
        await phases.finish(bare_postgres)
    await older.run(bare_postgres, "UPDATE servers SET heard_at_us = heard_at_us - 31000000")
    await phases.finish(bare_postgres)
    assert (await phases.status(bare_postgres)).finished
    await phases.finish(bare_postgres)


async def announce_older(engines: Engines) -> None:
    async with engines.writing.begin() as connection:
        now = await engines.clock_us(connection)
        old = {"id": "x", "version": "0.0.9", "schema": "0003", "address": "10.0.0.7:1"}
        await connection.execute(insert(servers).values(**old, started_at_us=now, heard_at_us=now))


@pytest.mark.parametrize("phase", ["EXPAND", "CONTRACT"])
@pytest.mark.parametrize("failing", range(5))
async def test_a_phase_that_was_interrupted_goes_on_where_it_was(
    bare_postgres: Engines, monkeypatch: pytest.MonkeyPatch, phase: str, failing: int
):
    def fail(_: object) -> None:
        raise ZeroDivisionError

    await old_log(bare_postgres, entities=10)
    steps = list(getattr(foundations_postgresql, phase))
    monkeypatch.setattr(foundations_postgresql, phase, [*steps[:failing], fail, *steps[failing + 1 :]])
    with pytest.raises(ZeroDivisionError):
        await complete(bare_postgres)
    monkeypatch.undo()
    await complete(bare_postgres)
    assert (await phases.status(bare_postgres)).finished


async def test_a_step_gives_way_to_who_holds_a_lock_and_comes_again(
    bare_postgres: Engines, caplog: pytest.LogCaptureFixture
):
    await old_log(bare_postgres, entities=10)
    async with bare_postgres.reading.connect() as reader:
        driver: Any = (await reader.get_raw_connection()).driver_connection
        transaction = driver.transaction()
        await transaction.start()
        await driver.fetch("SELECT * FROM entities LIMIT 1")
        migrating = asyncio.create_task(schema.migrate(bare_postgres))
        await until(lambda: "gives way" in caplog.text)
        await transaction.rollback()
    assert await migrating == WANTED


async def test_sqlite_keeps_a_copy_and_tells_how_far_it_is(bare_sqlite: Engines, sqlite_url: str):
    await old_log(bare_sqlite)
    told: list[tuple[int, int]] = []
    await schema.migrate(bare_sqlite, lambda done, rows: told.append((done, rows)))
    assert told == [(ENTITIES, ENTITIES)]
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    copy = path.with_name(f"{path.name}.before-{WANTED}")
    assert copy.stat().st_mode == path.stat().st_mode
    path.unlink()
    copy.rename(path)
    await bare_sqlite.close()


async def test_sqlite_without_room_is_left_as_it_was(bare_sqlite: Engines, monkeypatch: pytest.MonkeyPatch):
    await old_log(bare_sqlite)
    monkeypatch.setattr(sqlite_upgrade, "_TIMES_THE_FILE", 10**9)
    with pytest.raises(MigrationRefused, match="MiB are free"):
        await schema.migrate(bare_sqlite)
    assert await schema.found(bare_sqlite) == "0003"
    assert await count(bare_sqlite, "length(entity_key) = 22") == ENTITIES


async def test_sqlite_is_not_migrated_under_the_server_that_owns_it(bare_sqlite: Engines, sqlite_url: str):
    await old_log(bare_sqlite)
    async with opened_engines(settings_for(sqlite_url)) as beside:
        with bare_sqlite.owned():
            with pytest.raises(DatabaseInUse):
                await schema.migrate(beside)
            assert await schema.migrate(bare_sqlite) == WANTED
