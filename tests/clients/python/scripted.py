"""A server that fails as it is told, then passes calls on to nobody: it answers with what it got."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode, aio
from grpc_status import rpc_status

from syncline.v1 import sync_pb2, sync_pb2_grpc


@dataclass(frozen=True)
class Refusal:
    """One failed call."""

    code: StatusCode
    reason: str = ""
    retry_seconds: int = 0


@dataclass
class Scripted(sync_pb2_grpc.SyncServiceServicer):
    """Fails the calls that the script has a refusal for, in order; keeps all requests and tokens."""

    script: Iterator[Refusal | None]
    address: str = ""
    requests: list[bytes] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    async def Push(self, request: sync_pb2.PushRequest, context: Any) -> sync_pb2.PushResponse:  # noqa: N802  # the contract's name
        await self._act(request, context)
        results = [sync_pb2.PushResult(outcome=sync_pb2.OUTCOME_APPLIED, change=change) for change in request.changes]
        return sync_pb2.PushResponse(results=results, checkpoint_token="t")

    async def Pull(self, request: sync_pb2.PullRequest, context: Any) -> sync_pb2.PullResponse:  # noqa: N802  # as above
        await self._act(request, context)
        return sync_pb2.PullResponse(checkpoint_token="t")

    async def StreamPull(self, request: sync_pb2.StreamPullRequest, context: Any) -> None:  # type: ignore[override]  # noqa: N802  # as above
        number = len(self.requests) + 1
        await context.write(sync_pb2.StreamPullResponse(checkpoint_token=f"t{number}"))
        await self._act(request, context)

    async def _act(self, request: Any, context: Any) -> None:
        self.requests.append(request.SerializeToString())
        self.tokens.append(dict(context.invocation_metadata()).get("authorization", ""))
        refusal = next(self.script, None)
        if refusal is not None:
            await context.abort_with_status(_status(refusal))


@asynccontextmanager
async def scripted(*script: Refusal | None) -> AsyncIterator[Scripted]:
    """Run such a server for the time of the block."""
    server, service = aio.server(), Scripted(iter(script))
    sync_pb2_grpc.add_SyncServiceServicer_to_server(service, server)
    service.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield service
    finally:
        await server.stop(0)


def _status(refusal: Refusal) -> Any:
    details = [any_pb2.Any() for _ in range(2)]
    details[0].Pack(error_details_pb2.ErrorInfo(domain="syncline.v1", reason=refusal.reason))
    details[1].Pack(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=refusal.retry_seconds)))
    status = status_pb2.Status(code=refusal.code.value[0], details=details if refusal.reason else [])
    return rpc_status.to_status(status)
