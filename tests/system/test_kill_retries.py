"""A server is killed between a commit and its answer: the retry, after others have written, applies nothing twice."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.bridged import bridge_on
from faults.proxy import Proxy
from harness import Client, Server, change, make_project, outcomes, settings_for
from ports import free_address
from syncline.v1 import sync_pb2
from system.processes import Commands, Process, commands_in
from waiting import until


@dataclass
class Site:
    """A server that can be killed, and a way to it on which answers get lost."""

    server: Server
    commands: Commands
    proxy: Proxy

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Process]:
        arguments = ("--database", self.server.settings.database or "", "--grpc-address", self.server.address)
        async with self.commands.running("server", *arguments) as process:
            await process.ready(self.server.address)
            yield process

    def through_proxy(self, **token: Any) -> Client:
        client = self.server.client(**token)
        return Client(self.proxy.address, dict(client.metadata))

    async def kill_unanswered(self, process: Process, calling: "asyncio.Task[Any]", *, rows: int) -> None:
        """Kill the server once what is called has been committed; its answer is on the way for ever."""
        async with self.server.client(device="looks") as looking:

            async def are_there() -> bool:
                return len((await looking.pull()).changes) >= rows

            await until(are_there)
        await process.kill()
        self.proxy.reset()
        await asyncio.wait([calling])
        self.proxy.heal()


@pytest.fixture
async def site(database_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    settings = settings_for(database_url)
    server = Server(free_address(), await make_project(settings), settings)
    async with Proxy(server.address) as proxy:
        yield Site(server, commands_in(tmp_path), proxy)


async def log_of(client: Client) -> list[sync_pb2.Change]:
    return list((await client.pull()).changes)


@pytest.mark.parametrize("expected_head", [None, 0])
async def test_a_push_is_applied_once_over_grpc(site: Site, expected_head: int | None):
    push: dict[str, Any] = {"push_id": str(uuid.uuid4()), "expected_head_ms": expected_head}
    batch = [change("create", "", {"made": 1}), change("update", "n", {"n": 1}, base=0)]
    async with site.through_proxy(device="phone") as phone, site.server.client(device="laptop") as laptop:
        async with site.serving() as process:
            await phone.pull()  # it is connected
            site.proxy.black_hole(up=False)
            calling = asyncio.create_task(phone.push(*batch, **push))
            await site.kill_unanswered(process, calling, rows=2)
            assert calling.exception() is not None
        async with site.serving():
            made, counted = await log_of(laptop)
            foreign = await laptop.push(change("update", "n", {"n": 2}, base=counted.revision))
            again = await phone.push(*batch, **push)
            assert outcomes(again) == "rr"
            assert [one.change.revision for one in again.results] == [made.revision, counted.revision]
            assert again.results[0].change.entity_id == made.entity_id
            after = await log_of(laptop)
            assert [one.revision for one in after] == [made.revision, foreign.results[0].change.revision]
            assert json.loads(after[1].data) == {"n": 2}


async def test_a_batch_is_applied_once_over_http(site: Site):
    edit = {"entity_type": "todo", "entity_id": "a", "action": "create", "data": {"by": "phone"}}
    batch = {"changes": [{**edit, "client_timestamp": "2026-01-31T12:00:00Z"}], "push_id": "p"}
    project = site.server.project
    headers = {"x-api-key": project.client_key, "authorization": f"Bearer {project.token(device='phone')}"}
    async with (
        bridge_on(site.proxy.address) as address,
        httpx2.AsyncClient(base_url=f"http://{address}", headers=headers, timeout=60) as phone,
        site.server.client(device="laptop") as laptop,
    ):
        async with site.serving() as process:
            assert (await phone.get("/client/sync?entity_type=todo")).status_code == 200  # the bridge is connected
            site.proxy.black_hole(up=False)
            calling = asyncio.create_task(phone.post("/client/sync", json=batch))
            await site.kill_unanswered(process, calling, rows=1)
            assert calling.result().status_code == 503
        async with site.serving():
            (made,) = await log_of(laptop)
            await laptop.push(change("update", "a", {"by": "laptop"}))
            answer = (await phone.post("/client/sync", json=batch)).json()["data"]
            assert (answer["applied"], answer["revisions"]) == (1, [made.revision])
            assert [json.loads(one.data) for one in await log_of(laptop)] == [{"by": "laptop"}]
