"""A PostgreSQL that is gone without a word answers nothing and refuses nothing; new connections find another."""

import asyncio

import pytest
from grpc import aio
from sqlalchemy import make_url

from faults.proxy import Proxy
from harness import Client, change, failure, ids, refused, settings_for, started_server
from syncline.v1 import sync_pb2
from syncline_server.store.postgresql import store as postgresql_store

MAX_SECONDS = 1.0
LONG_SECONDS = 30


async def test_pushes_pages_and_streams_go_on_over_new_connections(postgres_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgresql_store, "MAX_WRITING_SECONDS", MAX_SECONDS)
    monkeypatch.setattr(postgresql_store, "MAX_READING_SECONDS", MAX_SECONDS)
    url = make_url(postgres_url)
    async with Proxy(f"{url.query['host']}/.s.PGSQL.5432") as proxy:
        host, _, port = proxy.address.partition(":")
        through = url.set(host=host, port=int(port), query={}).render_as_string(hide_password=False)
        async with started_server(settings_for(through)) as server, server.client() as client:
            following = client.stream("todo", follow=True)
            await following.read()
            await client.push(change("create", "before"))
            assert ids((await following.read()).changes) == ["before"]
            proxy.forget()
            async with asyncio.timeout(LONG_SECONDS):
                await pushed_at_last(client, change("create", "after"))
                assert ids((await following.read()).changes) == ["after"]
                assert ids((await client.pull("todo")).changes) == ["before", "after"]
            # To close what is gone in good order would be to wait for it.
            proxy.reset()


async def pushed_at_last(client: Client, one: sync_pb2.Change) -> None:
    """Push until it is taken; each connection that is gone costs an attempt, and the first one is."""
    told = await refused(client.push(one))
    while told:
        assert (told.code, told.reason) == ("UNAVAILABLE", "STORE_UNAVAILABLE")
        try:
            await client.push(one)
        except aio.AioRpcError as error:
            told = failure(error)
        else:
            return
