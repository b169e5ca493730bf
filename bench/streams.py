"""A stream of everything as a client reads it: complete and in order, while the server's memory is watched."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from grpc import aio

from bench.processes import Process, Project
from syncline.v1 import sync_pb2, sync_pb2_grpc

_WATCH_SECONDS: Final = 0.02
_MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024


class WrongStream(Exception):
    """A stream was not complete or not in order."""


@dataclass(frozen=True, slots=True)
class Grown:
    """What a stream took."""

    mib: float
    """By how much the server's memory grew at most."""
    received_bytes: int
    """How many bytes the messages had."""


async def grown_by(subject: Process, project: Project, user: str, after: int, changes: int) -> Grown:
    """Stream everything after a position and watch the server's memory. Raises WrongStream."""
    options = [("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES)]
    metadata = project.credentials(user)
    async with aio.insecure_channel(subject.address, options=options) as channel:
        stub: Any = sync_pb2_grpc.SyncServiceStub(channel)
        await stub.Pull(sync_pb2.PullRequest(page_size=1), metadata=metadata)
        before = peak = subject.rss_mib()

        async def watch() -> None:
            nonlocal peak
            while True:
                peak = max(peak, subject.rss_mib())
                await asyncio.sleep(_WATCH_SECONDS)

        watching = asyncio.create_task(watch())
        try:
            received_bytes = await _read(stub, metadata, after, changes)
        finally:
            watching.cancel()
        return Grown(max(peak, subject.rss_mib()) - before, received_bytes)


async def _read(stub: Any, metadata: Any, after: int, changes: int) -> int:
    """Return how many bytes of messages came."""
    received_bytes = 0
    last, count = after, 0
    async for message in stub.StreamPull(sync_pb2.StreamPullRequest(after_revision=after), metadata=metadata):
        received_bytes += message.ByteSize()
        for change in message.changes:
            if change.revision <= last:
                raise WrongStream(f"revision {change.revision} after {last}")
            last = change.revision
        count += len(message.changes)
    if count != changes:
        raise WrongStream(f"{count} changes instead of {changes}")
    return received_bytes
