"""The two protocols that one kind of app speaks: checkpoint sync over HTTP, and the contract over gRPC."""

import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import grpc
import httpx2
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from apps.book import APPLIED, CONFLICT, UNCLEAR, Data, Row, Sent
from harness import ACTIONS
from syncline.v1 import sync_pb2, sync_pb2_grpc

PATH = "/v1/client/sync"
_UNANSWERED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
_SECONDS = 30


class Unanswered(Exception):
    """Nobody can say what became of a request."""


class Refused(Exception):
    """A request was answered with an error; nothing of it was applied."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a reader is given."""

    rows: Sequence[Row]
    token: str
    has_more: bool
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a push."""

    outcomes: Sequence[str]
    """One for each change."""
    rows: Sequence[Row]
    """The server's versions, as far as it tells them."""
    revisions: Sequence[int]
    """One for each change; 0: not told."""
    ids: Sequence[str]
    token: str


class Door(Protocol):
    """How a server is spoken to."""

    answers_in_full: bool
    """An answer to a push has the versions that came of it, data and all."""
    page_size: int

    async def push(self, changes: Sequence[Sent], token: str | None, push_id: str) -> Answer:
        """Push; a token of None is not sent at all."""

    async def pull(self, kinds: Sequence[str], token: str) -> Page: ...

    def stream(self, kinds: Sequence[str], token: str) -> AsyncGenerator[Page, None]:
        """Read until all there is has come, page by page."""


@dataclass
class CheckpointSync:
    """Over HTTP."""

    http: httpx2.AsyncClient
    headers: Mapping[str, str]
    answers_in_full: bool = False
    page_size: int = 100

    async def push(self, changes: Sequence[Sent], token: str | None, push_id: str) -> Answer:
        body: dict[str, Any] = {"changes": [_edit(one) for one in changes]}
        if token is not None:
            body["checkpoint_token"] = token
        if push_id:
            body["push_id"] = push_id
        data = _data(await self.http.post(PATH, content=json.dumps(body), headers=self.headers))
        lost = [_conflict(each) for each in data["conflicts"]]
        of_entity = Counter(one.entity for one in changes)
        lost_of_entity = Counter(row.entity for row in lost)
        outcomes = [_outcome(lost_of_entity[one.entity], of_entity[one.entity]) for one in changes]
        assert data["applied"] + len(lost) == len(changes), data
        revisions = data.get("revisions") or [0] * len(changes)
        ids = [one.entity[1] for one in changes]
        return Answer(outcomes, lost, revisions, ids, data["checkpoint_token"])

    async def pull(self, kinds: Sequence[str], token: str) -> Page:
        (kind,) = kinds
        query = {"entity_type": kind, **({"checkpoint_token": token} if token else {})}
        data = _data(await self.http.get(PATH, params=query, headers=self.headers))
        return _page(data, has_more=data["has_more"])

    async def stream(self, kinds: Sequence[str], token: str) -> AsyncGenerator[Page, None]:
        query = [("entity_type", kind) for kind in kinds] + ([("checkpoint_token", token)] if token else [])
        asked = self.http.stream("GET", f"{PATH}/stream", params=query, headers=self.headers)
        async with asked as response:
            if response.status_code != 200:
                await response.aread()
                _data(response)
            async for line in response.aiter_lines():
                if line.startswith("data:") and "changes" in (data := json.loads(line[5:])):
                    caught_up = data.get("caught_up", False)
                    yield _page(data, has_more=not caught_up)
                    if caught_up:
                        return
        raise Unanswered("the stream ended before it had caught up")


@dataclass
class Native:
    """Over gRPC."""

    stub: Any
    metadata: Sequence[tuple[str, str]]
    page_size: int
    user: str = ""
    """Named by a server key."""
    answers_in_full: bool = True

    async def push(self, changes: Sequence[Sent], token: str | None, push_id: str) -> Answer:
        request = sync_pb2.PushRequest(changes=[_change(one) for one in changes], user_id=self.user)
        if token is not None:
            request.checkpoint_token = token
        if push_id:
            request.push_id = push_id  # type: ignore[attr-defined]
        with _told():
            answer = await self.stub.Push(request, metadata=self.metadata, timeout=_SECONDS)
        outcomes = [APPLIED if one.outcome == sync_pb2.OUTCOME_APPLIED else CONFLICT for one in answer.results]
        rows = [_stored(sent, one.change) for sent, one in zip(changes, answer.results, strict=True)]
        ids = [one.change.entity_id for one in answer.results]
        revisions = [row.revision for row in rows]
        return Answer(outcomes, rows, revisions, ids, answer.checkpoint_token)

    async def pull(self, kinds: Sequence[str], token: str) -> Page:
        request = sync_pb2.PullRequest(
            entity_types=kinds, checkpoint_token=token or None, page_size=self.page_size, user_id=self.user
        )
        with _told():
            page = await self.stub.Pull(request, metadata=self.metadata, timeout=_SECONDS)
        return Page([_row(one) for one in page.changes], page.checkpoint_token, page.has_more, page.reset)

    async def stream(self, kinds: Sequence[str], token: str) -> AsyncGenerator[Page, None]:
        request = sync_pb2.StreamPullRequest(
            entity_types=kinds, checkpoint_token=token or None, follow=True, user_id=self.user
        )
        call = self.stub.StreamPull(request, metadata=self.metadata, timeout=_SECONDS)
        try:
            with _told():
                async for message in call:
                    rows = [_row(one) for one in message.changes]
                    yield Page(rows, message.checkpoint_token, not message.caught_up, message.reset)
                    if message.caught_up:
                        return
        finally:
            call.cancel()
        raise Unanswered("the stream ended before it had caught up")


@contextmanager
def _told() -> Iterator[None]:
    """Turn what gRPC raises into what an app makes of it."""
    try:
        yield
    except aio.AioRpcError as error:
        unanswered = error.code() in _UNANSWERED
        raise (Unanswered if unanswered else Refused)(f"{error.code().name} {error.details()}") from error


@asynccontextmanager
async def native_stub(address: str) -> AsyncIterator[Any]:
    async with aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield sync_pb2_grpc.SyncServiceStub(channel)


def _data(response: httpx2.Response) -> dict[str, Any]:
    if response.status_code in {500, 502, 503, 504}:
        raise Unanswered(f"{response.status_code} {response.text}")
    if response.status_code != 200:
        raise Refused(f"{response.status_code} {response.text}")
    data: dict[str, Any] = response.json()["data"]
    return data


def _edit(one: Sent) -> dict[str, Any]:
    assert one.stamp_ms is not None, "this dialect asks for a client timestamp"
    kind, entity_id = one.entity
    stamp = datetime.fromtimestamp(one.stamp_ms / 1000, UTC).isoformat()
    edit = {"entity_type": kind, "entity_id": entity_id, "action": one.action, "client_timestamp": stamp}
    data = {} if one.action == "delete" else {"data": one.data}
    return {**edit, **data, **({} if one.base is None else {"base_revision": one.base})}


def _outcome(lost: int, changes: int) -> str:
    return APPLIED if not lost else CONFLICT if lost == changes else UNCLEAR


def _conflict(told: Mapping[str, Any]) -> Row:
    data = {name: value for name, value in told["server_data"].items() if name not in {"last_synced_at", "deleted"}}
    deleted = told["server_data"].get("deleted", False) or not told["revision"]
    return Row((told["entity_type"], told["entity_id"]), told["revision"], None if deleted else data)


def _page(data: Mapping[str, Any], *, has_more: bool) -> Page:
    rows = [
        Row(
            (each["entity_type"], each["entity_id"]),
            each["revision"],
            None if each["action"] == "delete" else each["data"],
        )
        for each in data["changes"]
    ]
    return Page(rows, data["checkpoint_token"], has_more, data.get("reset", False))


def _change(one: Sent) -> sync_pb2.Change:
    kind, entity_id = one.entity
    data = b"" if one.action == "delete" else json.dumps(one.data).encode()
    made = sync_pb2.Change(
        entity_type=kind, entity_id=entity_id, action=ACTIONS[one.action], data=data, base_revision=one.base
    )
    if one.stamp_ms is not None:
        made.client_timestamp.CopyFrom(Timestamp(seconds=one.stamp_ms // 1000, nanos=one.stamp_ms % 1000 * 1_000_000))
    return made


def _stored(sent: Sent, told: sync_pb2.Change) -> Row:
    """Return the version that a result tells of: without data where it is what was sent."""
    deleted = told.action == sync_pb2.ACTION_DELETE or not told.revision
    data: Data = json.loads(told.data) if told.data else sent.data
    return Row((told.entity_type, told.entity_id), told.revision, None if deleted else data)


def _row(told: sync_pb2.Change) -> Row:
    deleted = told.action == sync_pb2.ACTION_DELETE
    return Row((told.entity_type, told.entity_id), told.revision, None if deleted else json.loads(told.data or b"{}"))
