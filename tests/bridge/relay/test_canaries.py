"""Many users over one stream, at once: every answer belongs to the caller it is given to."""

import asyncio
import os
import tempfile
from pathlib import Path

import pytest

from harness import Project, change, ids, settings_for, started_server
from syncline.v1 import sync_pb2
from syncline_bridge.caller import Caller
from syncline_bridge.relay.calls import StreamCalls
from syncline_bridge.upstream import Upstream, open_upstream
from syncline_server.rpc.server import LocalSockets
from waiting import until

USERS = 200
CALLS = int(os.environ.get("CANARY_CALLS", "4000"))


class Canary:
    """A user who knows what is his."""

    def __init__(self, upstream: Upstream, project: Project, number: int) -> None:
        self.own = f"entity-{number}"
        self._upstream = upstream
        token = project.token(f"canary-{number}")
        self._caller = Caller(f"request-{number}", project.client_key, f"Bearer {token}")

    async def sing(self, calls: int) -> None:
        """Push and pull in turns."""
        for _ in range(calls // 2):
            request = sync_pb2.PushRequest(changes=[change("create", self.own)])
            answer = await self._upstream.push(request, self._caller)
            assert ids([result.change for result in answer.results]) == [self.own]
            await self.pull()

    async def pull(self) -> None:
        page = await self._upstream.pull(sync_pb2.PullRequest(entity_types=["todo"]), self._caller)
        assert set(ids(page.changes)) <= {self.own}


@pytest.mark.timeout(0)
@pytest.mark.parametrize("way", ["grpc", "socket"])
async def test_every_answer_belongs_to_its_caller(sqlite_url: str, monkeypatch: pytest.MonkeyPatch, way: str):
    relayed = 0
    call = StreamCalls.call

    async def counted(self: StreamCalls, *arguments: int) -> bytes:
        nonlocal relayed
        relayed += 1
        return await call(self, *arguments)  # type: ignore[arg-type]  # whatever it takes

    monkeypatch.setattr(StreamCalls, "call", counted)
    with tempfile.TemporaryDirectory(prefix="syncline-") as folder:
        path = Path(folder) / "relay.sock"
        async with (
            started_server(settings_for(sqlite_url, calls_per_minute=0), sockets=LocalSockets(relay=path)) as server,
            open_upstream(server.address, None, 1, path if way == "socket" else None, 30, 30, 1.5) as upstream,
        ):
            canaries = [Canary(upstream, server.project, number) for number in range(USERS)]

            async def is_relayed() -> bool:
                await canaries[0].pull()
                return bool(relayed)

            await until(is_relayed)
            relayed = 0
            await asyncio.gather(*(canary.sing(CALLS // USERS) for canary in canaries))
            assert relayed == CALLS // USERS // 2 * 2 * USERS
