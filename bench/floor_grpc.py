"""The floor of unary calls: a grpc.aio server whose handlers answer one message each and do nothing.

Run as `python -m bench.floor_grpc PORT FOLDER`; the folder holds the answers, as the server under test gave them.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any, Final

import uvloop
from grpc import StatusCode, aio

from syncline.v1 import sync_pb2, sync_pb2_grpc

PUSHED: Final = "pushed.bin"
PULLED: Final = "pulled.bin"
_PENDING_CALLS: Final = 16_384


class EmptyService(sync_pb2_grpc.SyncServiceServicer):
    """Answers constants."""

    def __init__(self, pushed: sync_pb2.PushResponse, pulled: sync_pb2.PullResponse) -> None:
        self._pushed = pushed
        self._pulled = pulled

    async def Push(self, request: sync_pb2.PushRequest, context: Any) -> sync_pb2.PushResponse:  # noqa: N802  # the contract's name
        return self._pushed

    async def Pull(self, request: sync_pb2.PullRequest, context: Any) -> sync_pb2.PullResponse:  # noqa: N802  # as above
        return self._pulled

    async def StreamPull(self, request: sync_pb2.StreamPullRequest, context: Any) -> None:  # type: ignore[override]  # noqa: N802  # as above
        await context.abort(StatusCode.UNIMPLEMENTED)

    async def PushStream(self, requests: Any, context: Any) -> None:  # type: ignore[override]  # noqa: N802  # as above
        await context.abort(StatusCode.UNIMPLEMENTED)

    async def Get(self, request: sync_pb2.GetRequest, context: Any) -> sync_pb2.GetResponse:  # noqa: N802  # as above
        return sync_pb2.GetResponse()

    async def CreateTicket(self, request: sync_pb2.CreateTicketRequest, context: Any) -> sync_pb2.CreateTicketResponse:  # noqa: N802  # as above
        return sync_pb2.CreateTicketResponse()


async def serve(port: int, folder: Path) -> None:
    service = EmptyService(
        sync_pb2.PushResponse.FromString((folder / PUSHED).read_bytes()),
        sync_pb2.PullResponse.FromString((folder / PULLED).read_bytes()),
    )
    # Of the server's options those that bear on speed.
    server = aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_concurrent_streams", 4096),
            ("grpc.server.max_pending_requests", _PENDING_CALLS),
            ("grpc.server.max_pending_requests_hard_limit", _PENDING_CALLS),
        ]
    )
    sync_pb2_grpc.add_SyncServiceServicer_to_server(service, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
