"""A running server as tests see it: its project, its clients, its changes."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from grpc_status import rpc_status

from syncline.v1 import sync_pb2, sync_pb2_grpc
from syncline_server.app import running_server
from syncline_server.identity.session_tokens import issue_token
from syncline_server.operate import projects
from syncline_server.settings import ServerSettings
from syncline_server.store import opening
from syncline_server.store.database import database
from syncline_server.store.engine import Engines
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.opening import prepare_schema
from syncline_server.store.registry import SqlRegistry

ACTIONS = {
    "create": sync_pb2.ACTION_CREATE,
    "update": sync_pb2.ACTION_UPDATE,
    "delete": sync_pb2.ACTION_DELETE,
}


@dataclass(frozen=True)
class Project:
    """A project and what its clients need."""

    name: str
    client_key: str
    server_key: str
    session_secret: str

    def token(self, user: str = "ada", *, device: str | None = None, scope: str | None = None, ttl: int = 3600) -> str:
        return issue_token(self.session_secret, user, ttl_seconds=ttl, device_id=device, scope=scope)


@dataclass(frozen=True)
class Server:
    """A running server with one project."""

    address: str
    project: Project
    settings: ServerSettings

    def client(self, user: str = "ada", *, device: str | None = None, **options: Any) -> "Client":
        token = self.project.token(user, device=device, **options)
        return Client(self.address, {"x-api-key": self.project.client_key, "authorization": f"Bearer {token}"})

    def service(self, **metadata: str) -> "Client":
        return Client(self.address, {"x-api-key": self.project.server_key, **metadata})


class Client:
    """A native client; use as `async with`."""

    def __init__(self, address: str, metadata: Mapping[str, str]) -> None:
        self.metadata = tuple(metadata.items())
        self._address = address

    async def __aenter__(self) -> "Client":
        options = [
            ("grpc.max_receive_message_length", 64 * 1024 * 1024),
            ("grpc.use_local_subchannel_pool", 1),
            # A server that comes back is found soon; the defaults are seconds.
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 200),
            ("grpc.min_reconnect_backoff_ms", 5000),  # what an attempt may take, in spite of its name
        ]
        self._channel = aio.insecure_channel(self._address, options=options)
        self.stub = sync_pb2_grpc.SyncServiceStub(self._channel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def push(self, *changes: sync_pb2.Change, **fields: Any) -> sync_pb2.PushResponse:
        return await self.stub.Push(sync_pb2.PushRequest(changes=changes, **fields), metadata=self.metadata, timeout=30)

    async def pull(self, *entity_types: str, **fields: Any) -> sync_pb2.PullResponse:
        request = sync_pb2.PullRequest(entity_types=entity_types, **fields)
        return await self.stub.Pull(request, metadata=self.metadata, timeout=30)

    def stream(self, *entity_types: str, **fields: Any) -> Any:
        request = sync_pb2.StreamPullRequest(entity_types=entity_types, **fields)
        return self.stub.StreamPull(request, metadata=self.metadata)

    def push_stream(self) -> Any:
        return self.stub.PushStream(metadata=self.metadata)

    async def pull_all(self, *entity_types: str, token: str = "", page_size: int = 100) -> list[sync_pb2.Change]:
        """Page to the end."""
        changes: list[sync_pb2.Change] = []
        while True:
            page = await self.pull(*entity_types, checkpoint_token=token, page_size=page_size)
            changes.extend(page.changes)
            token = page.checkpoint_token
            if not page.has_more:
                return changes


def change(
    action: str = "create",
    entity_id: str = "e1",
    data: Any = None,
    *,
    entity_type: str = "todo",
    at_ms: int | None = None,
    base: int | None = None,
) -> sync_pb2.Change:
    """Build a change; `data` is bytes or something JSON, `at_ms` its client timestamp (None: unset)."""
    raw = data if isinstance(data, bytes) else b"" if data is None else json.dumps(data).encode()
    built = sync_pb2.Change(entity_type=entity_type, entity_id=entity_id, action=ACTIONS[action], data=raw)
    if at_ms is not None:
        built.client_timestamp.CopyFrom(Timestamp(seconds=at_ms // 1000, nanos=at_ms % 1000 * 1_000_000))
    if base is not None:
        built.base_revision = base
    return built


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def outcomes(response: sync_pb2.PushResponse) -> str:
    """Spell the outcomes of a push: a(pplied), r(eplayed), c(onflict)."""
    spelled = {(sync_pb2.OUTCOME_APPLIED, False): "a", (sync_pb2.OUTCOME_APPLIED, True): "r"}
    return "".join(spelled.get((result.outcome, result.replayed), "c") for result in response.results)


@dataclass(frozen=True)
class FailedCall:
    """What a client is told about a failed call."""

    code: str
    reason: str
    metadata: dict[str, str]
    message: str
    violations: list[tuple[str, str]]
    retry_seconds: float | None


def failure(error: aio.AioRpcError) -> FailedCall:
    """Read the rich status of a failed call."""
    status = rpc_status.from_call(error)
    assert status is not None, f"no rich status: {error}"
    return failure_of(error.code(), status)


def failure_of(code: grpc.StatusCode, status: status_pb2.Status) -> FailedCall:
    """Read a rich status."""
    info = error_details_pb2.ErrorInfo()
    violations: list[tuple[str, str]] = []
    retry_seconds = None
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            violations = [(violation.field, violation.description) for violation in bad.field_violations]
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            retry_seconds = retry.retry_delay.ToMilliseconds() / 1000
    assert info.domain == "syncline.v1"
    return FailedCall(code.name, info.reason, dict(info.metadata), status.message, violations, retry_seconds)


async def refused(call: Awaitable[object]) -> FailedCall:
    """Await a call that has to fail and return what its client is told."""
    try:
        await call
    except aio.AioRpcError as error:
        return failure(error)
    raise AssertionError("the call was served")


def settings_for(database_url: str, **values: Any) -> ServerSettings:
    values = {"failure_delay_seconds": 0, **values}  # some tests fail to sign in hundreds of times
    return ServerSettings(database=database_url, grpc_address="127.0.0.1:0", log_level="warning", **values)


def opened_engines(settings: ServerSettings) -> AbstractAsyncContextManager[Engines]:
    """Open the database of these settings for the time of a block."""
    return opening.opened_engines(database(settings.database, settings.data_dir))


async def make_project(settings: ServerSettings, name: str = "default") -> Project:
    """Make a project on a database, beside a server that may be running on it."""
    async with opened_engines(settings) as engines:
        await prepare_schema(engines)
        made = await projects.create(SqlRegistry(engines), name)
        session_secret = await projects.session_secret(EngineCatalogue(engines), name)
        return Project(name, made.client_key.text, made.server_key.text, session_secret)


@asynccontextmanager
async def started_server(
    settings: ServerSettings, project: Project | None = None, **options: Any
) -> AsyncIterator[Server]:
    """Run a server in this process, on a project of its own unless one is given."""
    project = project or await make_project(settings)
    async with running_server(settings, **options) as running:
        yield Server(running.grpc_address, project, settings)


def ids(changes: Sequence[sync_pb2.Change]) -> list[str]:
    return [one.entity_id for one in changes]
