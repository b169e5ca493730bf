"""A log as lines of JSON: what `syncline tail` prints."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from syncline.certificates import ClientTls
from syncline.channel_tls import channel_credentials
from syncline_client import Change, SyncClient, SynclineError, Timing, revision_at
from syncline_command.parsing import CommandFailed

_END = "end"


@dataclass(frozen=True, slots=True)
class Tail:
    """What to follow, and as whom."""

    grpc_address: str
    tls: ClientTls | None
    """None: in the clear."""
    api_key: str
    token: str | None
    all_users: bool
    user: str | None
    entity_types: Sequence[str]
    start: str | None
    """A checkpoint token, an RFC 3339 time or `end`; None: from the start."""
    follow: bool


async def lines(tail: Tail) -> AsyncIterator[str]:
    """Yield the log, a JSON object a line; the last line of each batch carries the token to resume from.

    Lost connections are made anew when it follows. Raises CommandFailed.
    """
    try:
        async with _client(tail) as client, aclosing(client.follow(**_reading(tail))) as batches:
            async for batch in batches:
                last = len(batch.changes) - 1
                for index, change in enumerate(batch.changes):
                    yield line(change, batch.checkpoint_token if index == last else None)
    except SynclineError as error:
        raise CommandFailed(f"{error.failure.code.name}: {error}") from error


async def print_tail(tail: Tail) -> None:
    """Print a log, line by line. Raises CommandFailed."""
    async for text in lines(tail):
        print(text, flush=True)


def line(change: Change, checkpoint_token: str | None) -> str:
    """Return a change as one line of JSON; `data` keeps its text, so that no number changes on the way."""
    made = Timestamp()
    made.FromDatetime(change.client_timestamp)
    members = {
        "revision": change.revision,
        "created_revision": change.created_revision,
        "user_id": change.user_id,
        "entity_type": change.entity_type,
        "entity_id": change.entity_id,
        "action": change.action,
        "client_timestamp": made.ToJsonString(),
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
    return revision_at(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _client(tail: Tail) -> SyncClient:
    # Who only reads what is there wants to be told at once when it cannot be read.
    timing = Timing() if tail.follow else Timing(total_seconds=0)
    tls = channel_credentials(tail.tls) if tail.tls is not None else None
    return SyncClient(tail.grpc_address, api_key=tail.api_key, session_token=tail.token, tls=tls, timing=timing)


def _reading(tail: Tail) -> dict[str, Any]:
    return {
        "entity_types": tail.entity_types,
        "until_caught_up": not tail.follow,
        "user_id": tail.user or "",
        "all_users": tail.all_users,
        **_position(tail.start),
    }


def _position(start: str | None) -> dict[str, Any]:
    if start == _END:
        return {"from_end": True}
    revision = time_to_revision(start) if start else None
    return {"checkpoint_token": start} if revision is None else {"after_revision": revision}
