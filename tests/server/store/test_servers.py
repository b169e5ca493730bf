"""Which servers are known to be alive, and for how long."""

import asyncio
from typing import Any

from harness import make_project, opened_engines, settings_for, started_server
from syncline_server.store import servers
from syncline_server.store.wanted_schema import WANTED
from waiting import until


async def test_a_server_on_postgresql_is_known_while_it_runs(postgres_url: str):
    settings = settings_for(postgres_url)
    project = await make_project(settings)
    async with opened_engines(settings) as engines:
        async with started_server(settings, project) as server:

            async def is_known() -> Any:
                return await servers.alive(engines)

            await until(is_known)
            [alive] = await servers.alive(engines)
            assert (alive.schema, alive.address) == (WANTED, server.address)
        assert await servers.alive(engines) == []


async def test_a_server_that_says_nothing_any_more_is_not_alive(postgres_url: str):
    async with opened_engines(settings_for(postgres_url)) as engines:
        announcing = asyncio.create_task(servers.keep_announcing(engines, "0.1.0", WANTED, "10.0.0.7:1"))

        async def is_known() -> Any:
            return await servers.alive(engines)

        await until(is_known)
        await engines.write("UPDATE servers SET heard_at_us = heard_at_us - 31000000", ())
        assert await servers.alive(engines) == []
        announcing.cancel()
        await asyncio.wait([announcing])
        assert await engines.write("DELETE FROM servers", ()) == 0
