"""A server with operators, and clients that call as they do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from grpc import aio

from harness import Server, make_project, opened_engines, settings_for
from syncline.v1 import admin_pb2_grpc
from syncline_server.app import running_server
from syncline_server.identity.operators import Role
from syncline_server.operate import operators
from syncline_server.store.operators import SqlOperators


@dataclass(frozen=True)
class Deployment:
    """A server, and the keys of its operators."""

    server: Server
    admin_address: str
    keys: dict[str, str]

    @asynccontextmanager
    async def stub(self, role: str = "operator") -> AsyncIterator[Any]:
        async with calling(self.admin_address, self.keys[role]) as stub:
            yield stub


class _WithKey:
    """A stub whose calls carry a key."""

    def __init__(self, channel: aio.Channel, key: str) -> None:
        self._stub = admin_pb2_grpc.AdminServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {key}"),) if key else ()

    def __getattr__(self, method: str) -> Any:
        return lambda request: getattr(self._stub, method)(request, metadata=self._metadata, timeout=60)


@asynccontextmanager
async def calling(target: str, key: str = "") -> AsyncIterator[Any]:
    async with aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield _WithKey(channel, key)


@pytest.fixture
async def deployment(database_url: str) -> AsyncIterator[Deployment]:
    settings = settings_for(database_url, admin_address="127.0.0.1:0")
    project = await make_project(settings, "notes")
    async with opened_engines(settings) as engines:
        maker = SqlOperators(engines, "test")
        keys = {role.value: (await operators.create(maker, role.value, role)).text for role in Role}
    async with running_server(settings) as running:
        assert running.admin_address is not None
        yield Deployment(Server(running.grpc_address, project, settings), running.admin_address, keys)
