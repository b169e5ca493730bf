"""The same requests on both ways through a bridge: the short one of hot routes, the long one through every layer."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode, aio
from grpc_status import rpc_status
from starlette.requests import Request
from starlette.responses import Response

from bridge.bridged import bridge_on
from bridge.dialects import echo
from syncline.relay.v1 import relay_pb2, relay_pb2_grpc
from syncline.v1 import sync_pb2, sync_pb2_grpc
from syncline_bridge.describe.operation import Operation
from syncline_bridge.dialect import Dialect
from syncline_bridge.dialects import DIALECTS

SPOKEN = (*DIALECTS, echo.DIALECT)
KNOWN = "known"
"""How the API keys begin that the stand-in knows."""
REFUSALS = {
    "RATE_LIMITED": StatusCode.RESOURCE_EXHAUSTED,
    "HEAD_MISMATCH": StatusCode.ABORTED,
    "ENTITY_NOT_FOUND": StatusCode.NOT_FOUND,
    "CHANGE_INVALID": StatusCode.INVALID_ARGUMENT,
    "CHECKPOINT_INVALID": StatusCode.INVALID_ARGUMENT,
    "SESSION_EXPIRED": StatusCode.UNAUTHENTICATED,
    "TYPE_FORBIDDEN": StatusCode.PERMISSION_DENIED,
    "ANSWER_TOO_LARGE": StatusCode.RESOURCE_EXHAUSTED,
    "STORE_UNAVAILABLE": StatusCode.UNAVAILABLE,
    "INTERNAL": StatusCode.INTERNAL,
}
"""The push ids and checkpoint tokens that make the stand-in refuse."""
NONSENSE, WAITING = "NONSENSE", "WAITING"
"""Those that make its answer one that nobody understands, and those that make it wait."""
_CREDENTIALS = {"x-api-key", "authorization", "x-device-id"}
_CHANGING = re.compile(rb"(?<=\r\ndate: )[^\r]+|(?<=\r\nx-request-id: )[0-9a-f]{32}(?=\r)")


class StandIn(sync_pb2_grpc.SyncServiceServicer, relay_pb2_grpc.RelayServiceServicer):
    """A server that answers what it is asked for, and remembers what that was."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes, Any]] = []
        self.waiting = 0
        self.goes_on = asyncio.Event()

    async def CheckCaller(self, request: Any, context: Any) -> relay_pb2.CheckCallerResponse:  # noqa: N802  # the contract's name
        if not _credentials(context).get("x-api-key", "").startswith(KNOWN):
            await _refuse(context, "KEY_INVALID", StatusCode.UNAUTHENTICATED)
        return relay_pb2.CheckCallerResponse()

    async def Push(self, request: sync_pb2.PushRequest, context: Any) -> sync_pb2.PushResponse:  # noqa: N802  # the contract's name
        await self._called("Push", request, context, request.push_id)
        results = [_result(change, number) for number, change in enumerate(request.changes)]
        return sync_pb2.PushResponse(results=results, checkpoint_token="after", head_ms=7)

    async def Pull(self, request: sync_pb2.PullRequest, context: Any) -> sync_pb2.PullResponse:  # noqa: N802  # the contract's name
        await self._called("Pull", request, context, request.checkpoint_token)
        changes = [_change(request, number) for number in range(60 if "many" in request.entity_types else 1)]
        return sync_pb2.PullResponse(changes=changes, checkpoint_token="after", head_ms=7, total_size=len(changes))

    async def Get(self, request: sync_pb2.GetRequest, context: Any) -> sync_pb2.GetResponse:  # noqa: N802  # the contract's name
        await self._called("Get", request, context, "")
        return sync_pb2.GetResponse()

    async def _called(self, method: str, request: Any, context: Any, wish: str) -> None:
        credentials = tuple(sorted(_credentials(context).items()))
        self.calls.append((method, request.SerializeToString(deterministic=True), credentials))
        if wish == WAITING:
            self.waiting += 1
            await self.goes_on.wait()
        if code := REFUSALS.get(wish):
            await _refuse(context, wish, code)


@dataclass
class Way:
    """A bridge that takes one of the ways, and what its handlers and its server have seen."""

    address: str
    server: StandIn
    taken: list[bool] = field(default_factory=list)
    """Whether each request that reached a handler came the short way."""

    async def answer(self, request: bytes, *, apart: bool = False) -> bytes:
        """Send a request, its body `apart` from its head if so; return its answer without what changes by itself."""
        host, port = self.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        with closing(writer):
            head, separator, body = request.partition(b"\r\n\r\n")
            if apart:
                writer.write(head + separator)
                await self.answer(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                writer.write(body)
            else:
                writer.write(request)
            async with asyncio.timeout(20):
                return _CHANGING.sub(b"*", await reader.read())


@asynccontextmanager
async def way(*, short: bool, dialects: Sequence[Dialect[Any]] = SPOKEN, **settings: Any) -> AsyncIterator[Way]:
    """Run a bridge with, or without, the short way."""
    standing_in, taken = StandIn(), list[bool]()
    server = aio.server()
    sync_pb2_grpc.add_SyncServiceServicer_to_server(standing_in, server)
    relay_pb2_grpc.add_RelayServiceServicer_to_server(standing_in, server)
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        observed = [_observed(dialect, taken, short=short) for dialect in dialects]
        async with bridge_on(target, dialects=observed, **settings) as address:
            yield Way(address, standing_in, taken)
    finally:
        standing_in.goes_on.set()
        await server.stop(0)


def request(method: str, target: str, *headers: str, body: bytes | None = None, host: str = "host: x") -> bytes:
    """Write a request that ends its connection; the length of a body is told."""
    length = [] if body is None else [f"content-length: {len(body)}"]
    lines = [f"{method} {target} HTTP/1.1", *([host] if host else []), *headers, *length, "connection: close"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def _observed(dialect: Dialect[Any], taken: list[bool], *, short: bool) -> Dialect[Any]:
    def operations(*given: Any) -> list[Operation]:
        made = dialect.operations(*given)
        return [replace(one, handler=_seen(one.handler, taken), is_hot=one.is_hot and short) for one in made]

    return replace(dialect, operations=operations)


def _seen(handler: Callable[[Request], Awaitable[Response]], taken: list[bool]) -> Any:
    @wraps(handler)
    async def handle(request: Request) -> Response:
        taken.append("endpoint" not in request.scope)  # what the framework's router leaves there
        return await handler(request)

    return handle


def _result(change: sync_pb2.Change, number: int) -> sync_pb2.PushResult:
    stored = sync_pb2.Change(entity_type=change.entity_type, entity_id=change.entity_id or f"made-{number}")
    stored.revision, stored.action = 7_000 + number, change.action
    if change.entity_id == "loses":
        stored.data = b'{"title":"theirs"}'
        return sync_pb2.PushResult(outcome=sync_pb2.OUTCOME_CONFLICT, change=stored)
    return sync_pb2.PushResult(outcome=sync_pb2.OUTCOME_APPLIED, change=stored)


def _change(asked: sync_pb2.PullRequest, number: int) -> sync_pb2.Change:
    action = sync_pb2.ACTION_UNSPECIFIED if asked.checkpoint_token == NONSENSE else sync_pb2.ACTION_CREATE
    made = sync_pb2.Change(entity_type=asked.entity_types[0], entity_id=f"e{number}", action=action)
    made.data, made.revision = b'{"word":"w"}', 7_000 + number
    return made


def _credentials(context: Any) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() if key in _CREDENTIALS}


async def _refuse(context: Any, reason: str, code: StatusCode) -> None:
    packed = AnyMessage()
    metadata = {"scope": "user", "max": "9", "window_seconds": "60", "index": "0", "limit": "5"}
    packed.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="syncline.v1", metadata=metadata))
    status = status_pb2.Status(code=code.value[0], message="words of the server", details=[packed])
    await context.abort_with_status(rpc_status.to_status(status))
