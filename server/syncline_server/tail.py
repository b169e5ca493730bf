"""Follows a log from the command line: a stream pull as one JSON object a line."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from grpc import aio

from syncline.v1 import sync_pb2, sync_pb2_grpc

_MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
_ACTIONS: Final = {
    sync_pb2.ACTION_CREATE: "create",
    sync_pb2.ACTION_UPDATE: "update",
    sync_pb2.ACTION_DELETE: "delete",
}


@dataclass(frozen=True, slots=True)
class Tail:
    """What to follow, and as whom."""

    grpc_address: str
    api_key: str
    token: str | None
    all_users: bool
    user: str | None
    entity_types: Sequence[str]
    start: str | None
    """A checkpoint token or an RFC 3339 time; None: from the start."""
    follow: bool


async def lines(tail: Tail) -> AsyncIterator[str]:
    """Yield the log, a JSON object a line; the last line of each batch carries the token to resume from.

    Raises grpc.aio.AioRpcError.
    """
    options = [("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES)]
    async with aio.insecure_channel(tail.grpc_address, options=options) as channel:
        stub = sync_pb2_grpc.SyncServiceStub(channel)
        async for message in stub.StreamPull(_request(tail), metadata=_metadata(tail)):
            last = len(message.changes) - 1
            for index, change in enumerate(message.changes):
                yield line(change, message.checkpoint_token if index == last else None)


def line(change: sync_pb2.Change, checkpoint_token: str | None) -> str:
    """Return a change as one line of JSON; `data` keeps its text, so that no number changes on the way."""
    members = {
        "revision": change.revision,
        "created_revision": change.created_revision,
        "user_id": change.user_id,
        "entity_type": change.entity_type,
        "entity_id": change.entity_id,
        "action": _ACTIONS[change.action],
        "client_timestamp": change.client_timestamp.ToJsonString(),
    }
    if checkpoint_token is not None:
        members["checkpoint_token"] = checkpoint_token
    # Line breaks in valid JSON are white space, never part of a string.
    data = change.data.decode().replace("\n", " ").replace("\r", " ")
    return json.dumps(members, ensure_ascii=False)[:-1] + f', "data": {data}' + "}"


def time_to_revision(text: str) -> int | None:
    """Return the revision of an RFC 3339 time; None when the text is not one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000)


def _request(tail: Tail) -> sync_pb2.StreamPullRequest:
    request = sync_pb2.StreamPullRequest(
        entity_types=tail.entity_types, follow=tail.follow, user_id=tail.user or "", all_users=tail.all_users
    )
    if tail.start:
        revision = time_to_revision(tail.start)
        if revision is None:
            request.checkpoint_token = tail.start
        else:
            request.after_revision = revision
    return request


def _metadata(tail: Tail) -> tuple[tuple[str, str], ...]:
    metadata: tuple[tuple[str, str], ...] = (("x-api-key", tail.api_key),)
    return (*metadata, ("authorization", f"Bearer {tail.token}")) if tail.token else metadata
