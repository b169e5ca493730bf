"""What may be served, where, and how it ends."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from harness import change, outcomes, settings_for, started_server
from storage import run_sql, url_of
from syncline_server.app import running_server
from syncline_server.rpc.server import AddressInUse
from syncline_server.store.sqlite.file import DatabaseInUse
from syncline_server.store.wanted_schema import SchemaNotCurrent


async def test_two_servers_never_share_an_address(sqlite_url: str, tmp_path):
    async with started_server(settings_for(sqlite_url)) as server:
        settings = settings_for(f"sqlite:///{tmp_path / 'other.db'}").model_copy(
            update={"grpc_address": server.address}
        )
        with pytest.raises(AddressInUse):
            async with running_server(settings):
                pass


async def test_two_servers_never_share_a_sqlite_file(sqlite_url: str):
    async with started_server(settings_for(sqlite_url)):
        with pytest.raises(DatabaseInUse):
            async with running_server(settings_for(sqlite_url)):
                pass


async def test_a_postgresql_that_was_never_migrated_is_not_served(postgres, unique):
    name = unique("raw").replace("-", "_")
    await run_sql(postgres, f"CREATE DATABASE {name}")
    with pytest.raises(SchemaNotCurrent, match="syncline migrate"):
        async with running_server(settings_for(url_of(postgres, name))):
            pass
    await run_sql(postgres, f"DROP DATABASE {name} WITH (FORCE)")


async def test_what_was_acknowledged_is_there_after_a_restart_and_tokens_still_work(database_url: str):
    settings = settings_for(database_url)
    async with started_server(settings) as server, server.client(device="phone") as client:
        token = (await client.push(change("create", "a"))).checkpoint_token
        await client.push(change("create", "b"))
    async with started_server(settings, server.project) as again, again.client(device="phone") as client:
        assert [one.entity_id for one in (await client.pull("todo", checkpoint_token=token)).changes] == ["b"]


async def test_pushes_in_flight_are_answered_before_the_server_ends(database_url: str):
    """Those that came too late are refused; whatever was acknowledged is there."""
    settings = settings_for(database_url)
    async with AsyncExitStack() as stack:
        async with started_server(settings) as server:
            client = await stack.enter_async_context(server.client())
            calls = [asyncio.create_task(client.push(change("create", f"e{at}", at_ms=1))) for at in range(100)]
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        answers = await asyncio.gather(*calls, return_exceptions=True)
    acknowledged = [f"e{at}" for at, answer in enumerate(answers) if not isinstance(answer, BaseException)]
    assert acknowledged
    async with started_server(settings, server.project) as again, again.client() as client:
        assert set(acknowledged) <= {one.entity_id for one in await client.pull_all("todo")}
        assert outcomes(await client.push(change("create", acknowledged[0], at_ms=1))) == "r"
