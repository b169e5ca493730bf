"""Every way in which a token reaches the server, and what came of it there."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes

import grpc
import httpx2
from grpc import aio

from bridge.bridged import Bridged
from harness import Client, ids
from syncline.v1 import sync_pb2

SERVICE = "/syncline.v1.SyncService/"
TOKEN_FIELD = b"\x12"  # number 2, with a length, in all three requests
REFUSALS = {"INVALID_ARGUMENT", "OUT_OF_RANGE"}
FIRST_EVENT_BYTES = 1_000_000


@dataclass(frozen=True)
class Outcome:
    """What came of one token."""

    refused: str = ""
    """How it was refused; empty: it was taken."""
    ids: tuple[str, ...] = ()
    """What was read after it."""
    token: bytes = b""
    """The position that was answered."""
    reset: bool = False


@dataclass(frozen=True)
class Doors:
    """One reader's ways in: native, checkpoint sync and mutation sync."""

    client: Client
    channel: aio.Channel
    bridged: Bridged
    session: str

    def all(self) -> Mapping[str, Callable[[bytes], Awaitable[Outcome]]]:
        return {
            "Pull": self.pull,
            "StreamPull": self.stream,
            "Push": self.push,
            "GET /client/sync": self.get,
            "POST /client/sync": self.post,
            "GET /client/sync/stream": self.events,
            "GET /v1/sync cursor": self.cursor,
        }

    async def pull(self, token: bytes, *, starts_over: bool = False) -> Outcome:
        call = self.channel.unary_unary(SERVICE + "Pull", response_deserializer=sync_pb2.PullResponse.FromString)
        request = sync_pb2.PullRequest(entity_types=["NOTE"], page_size=1000, reset_when_expired=starts_over)
        try:
            page = await call(_with_token(request, token), metadata=self.client.metadata, timeout=30)
        except aio.AioRpcError as error:
            return _refused(error)
        return Outcome(ids=tuple(ids(page.changes)), token=page.checkpoint_token.encode())

    async def stream(self, token: bytes) -> Outcome:
        call = self.channel.unary_stream(
            SERVICE + "StreamPull", response_deserializer=sync_pb2.StreamPullResponse.FromString
        )
        request = sync_pb2.StreamPullRequest(entity_types=["NOTE"])
        try:
            told = [m async for m in call(_with_token(request, token), metadata=self.client.metadata, timeout=30)]
        except aio.AioRpcError as error:
            return _refused(error)
        return Outcome(
            ids=tuple(one for message in told for one in ids(message.changes)), token=told[-1].checkpoint_token.encode()
        )

    async def push(self, token: bytes) -> Outcome:
        call = self.channel.unary_unary(SERVICE + "Push", response_deserializer=sync_pb2.PushResponse.FromString)
        try:
            told = await call(_with_token(sync_pb2.PushRequest(), token), metadata=self.client.metadata, timeout=30)
        except aio.AioRpcError as error:
            return _refused(error)
        return await self._answered(told.checkpoint_token)

    async def get(self, token: bytes) -> Outcome:
        query = f"entity_type=NOTE&checkpoint_token={quote_from_bytes(token)}"
        answer = await self.bridged.http.get(f"/client/sync?{query}", headers=self._headers)
        return _refusal(answer) or _page(answer.json()["data"])

    async def post(self, token: bytes) -> Outcome:
        body = json.dumps({"changes": [], "checkpoint_token": token.decode("utf-8", "surrogateescape")})
        answer = await self.bridged.http.post("/client/sync", content=body, headers=self._headers)
        return _refusal(answer) or await self._answered(answer.json()["data"]["checkpoint_token"])

    async def events(self, token: bytes) -> Outcome:
        headers: dict[str, str | bytes] = dict(self._headers)
        query = "entity_type=NOTE"
        # What cannot be part of a header at all goes by the query.
        if token.strip() == token and all(0x20 <= byte != 0x7F for byte in token):
            headers["Last-Event-ID"] = token
        else:
            query += f"&checkpoint_token={quote_from_bytes(token)}"
        stream = self.bridged.http.stream("GET", f"/client/sync/stream?{query}", headers=headers)
        async with stream as answer:
            if answer.status_code != 200:
                await answer.aread()
                return _refusal(answer) or Outcome()
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    return _page(json.loads(line.removeprefix("data: ")))
        raise AssertionError("a stream without an event")

    async def cursor(self, token: bytes) -> Outcome:
        cursor = token if token.count(b".") == 4 else b"0.1.0.10." + token
        query = f"mutationsSince=0&limit=1000&cursor={quote_from_bytes(cursor)}"
        answer = await self.mutations(query)
        return _refusal(answer) or _mutations(answer)

    async def mutations(self, query: str, body: str | None = None) -> httpx2.Response:
        """Ask mutation sync."""
        headers = {"x-client-id": self.bridged.server.project.client_key, "x-auth-token": self.session}
        method = "GET" if body is None else "POST"
        return await self.bridged.http.request(method, f"/v1/sync?{query}", content=body, headers=headers)

    @property
    def _headers(self) -> dict[str, str]:
        return dict(self.client.metadata)

    async def _answered(self, token: str) -> Outcome:
        """Read on from where the answer to a push says: a token of a lost history comes back as it was (P9)."""
        read = await self.pull(token.encode(), starts_over=True)
        assert not read.refused, f"the token of an answer was refused: {read.refused}"
        return Outcome(ids=read.ids, token=token.encode())


def _with_token(request: Any, token: bytes) -> bytes:
    """Write a request with bytes that need not be text as its token."""
    size, length = bytearray(), len(token)
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes(request.SerializeToString() + TOKEN_FIELD + bytes([*size, length]) + token)


def _refused(error: aio.AioRpcError) -> Outcome:
    assert error.code().name in REFUSALS, f"{error.code()}: {error.details()}"
    assert error.code() is not grpc.StatusCode.OK
    return Outcome(refused=error.code().name)


def _refusal(answer: httpx2.Response) -> Outcome | None:
    """Check that a failure is the client's own, worded as JSON; None for a success."""
    if answer.status_code == 200:
        return None
    assert 400 <= answer.status_code < 500, f"{answer.status_code}: {answer.text[:500]}"
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["message"]
    return Outcome(refused=str(answer.status_code))


def _page(data: dict[str, Any]) -> Outcome:
    return Outcome(
        ids=tuple(change["entity_id"] for change in data["changes"]),
        token=data["checkpoint_token"].encode(),
        reset=data.get("reset", False),
    )


def _mutations(answer: httpx2.Response) -> Outcome:
    return Outcome(ids=tuple(one["resourceId"] for one in answer.json()["data"]["mutations"]))
