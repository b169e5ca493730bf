"""What can be wrong behind a bridge: servers that only fail, and databases that are away or broken."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc import GenericRpcHandler, StatusCode, aio, unary_unary_rpc_method_handler
from grpc_status import rpc_status

from storage import run_sql

SECRET = "postgresql://admin:hunter2@db-1/sync"
"""What no answer may ever show."""


class _Failing(GenericRpcHandler):
    def __init__(self, code: StatusCode | None, reason: str) -> None:
        self._code = code
        self._reason = reason

    def service(self, _: Any) -> Any:
        return unary_unary_rpc_method_handler(self._fail)

    async def _fail(self, _: bytes, context: Any) -> bytes:
        if self._code is None:
            await asyncio.Event().wait()  # for ever
        if self._reason:
            await context.abort_with_status(_rich(self._code, self._reason))
        await context.abort(self._code, SECRET)
        return b""


@asynccontextmanager
async def failing_server(code: StatusCode | None, reason: str = "") -> AsyncIterator[str]:
    """Run a server that fails every call so; None: it never answers. Yields its address."""
    server = aio.server()
    server.add_generic_rpc_handlers((_Failing(code, reason),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


def _rich(code: StatusCode | None, reason: str) -> Any:
    assert code is not None
    packed = AnyMessage()
    packed.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="syncline.v1", metadata={"host": SECRET}))
    return rpc_status.to_status(status_pb2.Status(code=code.value[0], message=SECRET, details=[packed]))


@asynccontextmanager
async def database_away(url: str, postgres: Any) -> AsyncIterator[None]:
    """Let nobody write to a database for the time of the block."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(_path(url), isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")
        return
    name = urlsplit(url).path.removeprefix("/")
    await run_sql(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await run_sql(postgres, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    yield
    await run_sql(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


async def served(request: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response:
    """Send a request, again after a 503 as clients do: the first may still meet connections that are dead."""
    for _ in range(5):
        response = await request()
        if response.status_code != 503:
            break
    return response


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))
