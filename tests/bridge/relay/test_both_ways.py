"""A call that is relayed, over gRPC or a socket, is answered as one that goes alone: status, headers and body."""

import asyncio
import base64
import json
import re
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.bridged import bridge_on
from harness import Server, make_project, settings_for, started_server
from syncline_bridge.relay.calls import StreamCalls
from syncline_server.rpc.server import LocalSockets
from waiting import until

PUSH = "/v1/client/sync"
CREATE = {"entity_type": "todo", "entity_id": "e", "action": "create", "data": {"a": 1}}
CREATE["client_timestamp"] = "2026-01-31T12:00:00.125Z"
MADE = {"type": "CREATE", "resource": "NOTE", "resourceId": "n", "data": {"a": 1}}
_CHANGING = re.compile(
    r'\b\d{13,16}\b|[\w-]{40,}={0,2}|\b[0-9a-f]{32}\b|\d{4}-\d\d-\d\dT[\d:.]+Z|\b\w{3}, \d\d .{17} GMT|W/"[0-9a-f]+"'
)
"""Revisions, tokens, ids of requests, times, tags."""


def pushed(*changes: Any, **members: Any) -> dict[str, Any]:
    return {"changes": list(changes), **members}


def spoilt(**members: Any) -> dict[str, Any]:
    return pushed({**CREATE, **members})


LARGE = pushed(*({**CREATE, "entity_id": f"l{n}", "data": {"t": "x" * 9_000}} for n in range(20)))
AT_ONCE = 48
"""New callers are asked for one by one; a bridge refuses too many at once."""
USERS = 200
TURNS = 2
"""Of a push and a page each."""
SERVER_KEY = {"x-api-key": "server", "authorization": ""}
REQUESTS: dict[str, tuple[str, str, Any, dict[str, str]]] = {
    "a push": ("POST", PUSH, pushed(CREATE), {}),
    "the same push": ("POST", PUSH, pushed(CREATE), {}),
    "a push with its id": ("POST", PUSH, pushed({**CREATE, "entity_id": "f"}, push_id="p" * 22), {}),
    "the same push with its id": ("POST", PUSH, pushed({**CREATE, "entity_id": "f"}, push_id="p" * 22), {}),
    "another push with its id": ("POST", PUSH, pushed({**CREATE, "entity_id": "g"}, push_id="p" * 22), {}),
    "nothing": ("POST", PUSH, pushed(), {}),
    "a conflict": ("POST", PUSH, pushed({**CREATE, "data": {"b": 2}, "base_revision": 1}), {}),
    "an update": ("POST", PUSH, pushed({**CREATE, "action": "update", "client_timestamp": "2027-01-31T12:00:00Z"}), {}),
    "a deletion": ("POST", PUSH, pushed({**CREATE, "entity_id": "f", "action": "delete", "data": None}), {}),
    "two changes": ("POST", PUSH, pushed({**CREATE, "entity_id": "h"}, {**CREATE, "entity_id": "i"}), {}),
    "a hundred changes": ("POST", PUSH, pushed(*({**CREATE, "entity_id": f"m{n}"} for n in range(100))), {}),
    "a large change": ("POST", PUSH, spoilt(entity_id="large", data={"t": "x" * 100_000}), {}),
    "too large a change": ("POST", PUSH, spoilt(data={"t": "x" * 300_000}), {}),
    "many large changes": (
        "POST",
        PUSH,
        LARGE,
        {},
    ),
    "too many changes": ("POST", PUSH, pushed(*([CREATE] * 1001)), {}),
    "no type": ("POST", PUSH, spoilt(entity_type=""), {}),
    "a bad type": ("POST", PUSH, spoilt(entity_type="a b"), {}),
    "no id of an update": ("POST", PUSH, spoilt(action="update", entity_id=""), {}),
    "a bad id": ("POST", PUSH, spoilt(entity_id="a\n"), {}),
    "half an emoji": ("POST", PUSH, spoilt(data={"t": "\ud83d"}), {}),
    "a bad action": ("POST", PUSH, spoilt(action="upsert"), {}),
    "a bad time": ("POST", PUSH, spoilt(client_timestamp="soon"), {}),
    "a negative base": ("POST", PUSH, spoilt(base_revision=-1), {}),
    "a bad token with a push": ("POST", PUSH, pushed(CREATE, checkpoint_token="nonsense"), {}),
    "a bad push id": ("POST", PUSH, pushed(CREATE, push_id="\n"), {}),
    "a page": ("GET", f"{PUSH}?entity_type=todo", None, {}),
    "a small page": ("GET", f"{PUSH}?entity_type=todo&page_size=2", None, {}),
    "a page of every type": ("GET", PUSH, None, {}),
    "a page of another type": ("GET", f"{PUSH}?entity_type=note", None, {}),
    "a page of a bad size": ("GET", f"{PUSH}?entity_type=todo&page_size=99999", None, {}),
    "a page after a bad token": ("GET", f"{PUSH}?entity_type=todo&checkpoint_token=x", None, {}),
    "an entity": ("GET", "/v1/client/entities/todo/h", None, {}),
    "a tombstone": ("GET", "/v1/client/entities/todo/f", None, {}),
    "no such entity": ("GET", "/v1/client/entities/todo/none", None, {}),
    "entities": ("POST", "/v1/client/entities", {"entities": [{"entity_type": "todo", "entity_id": "h"}]}, {}),
    "a ticket": ("POST", "/v1/client/sync/ticket", None, {}),
    "no key": ("GET", f"{PUSH}?entity_type=todo", None, {"x-api-key": ""}),
    "an unknown key": ("GET", f"{PUSH}?entity_type=todo", None, {"x-api-key": "sk_client_unknown"}),
    "no session": ("GET", f"{PUSH}?entity_type=todo", None, {"authorization": ""}),
    "a spoilt session": ("POST", PUSH, pushed(CREATE), {"authorization": "Bearer a.b.c"}),
    "a forged session": ("POST", PUSH, pushed(CREATE), {"authorization": "forged"}),
    "a session that is over": ("POST", PUSH, pushed(CREATE), {"authorization": "expired"}),
    "a session of one type": ("POST", PUSH, pushed(CREATE), {"authorization": "scoped"}),
    "a page beyond its types": ("GET", f"{PUSH}?entity_type=todo", None, {"authorization": "scoped"}),
    "a server key without a user": (
        "GET",
        f"{PUSH}?entity_type=todo",
        None,
        {"x-api-key": "server", "authorization": ""},
    ),
    "a device id": ("POST", PUSH, pushed({**CREATE, "entity_id": "d"}), {"x-device-id": "phone"}),
    "too long a device id": ("POST", PUSH, pushed(CREATE), {"x-device-id": "d" * 300}),
    "a request id": ("POST", PUSH, pushed({**CREATE, "entity_id": "r"}), {"x-request-id": "mine-1"}),
    "mutations": ("POST", "/v1/sync?lastMutationAt=-1", {"mutations": [MADE]}, {}),
    "mutations of an old head": ("POST", "/v1/sync?lastMutationAt=5", {"mutations": [MADE]}, {}),
    "bad mutations": ("POST", "/v1/sync?lastMutationAt=-1", {"mutations": [{**MADE, "resource": "X"}]}, {}),
    "a look": ("GET", "/v1/sync?mutationsSince=0", None, {}),
    "a bad look": ("GET", "/v1/sync?mutationsSince=x", None, {}),
}


@dataclass(frozen=True)
class Way:
    """A bridge, by a client of it, and a user of its own."""

    http: httpx2.AsyncClient
    user: str
    server: Server

    async def ask(self, *request: Any) -> tuple[int, dict[str, str], str]:
        """Return what a request is answered, without what changes by itself."""
        answer = await self.send(*request)
        shown = {name: _same(value) for name, value in answer.headers.items() if name != "content-length"}
        return answer.status_code, shown, _same(answer.text)

    async def send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx2.Response:
        sent = {**self._credentials(path), **headers}
        if sent.get("x-api-key") == "server":
            sent["x-api-key"] = self.server.project.server_key
        if made := self._session(sent.get("authorization", "")):
            sent["authorization"] = f"Bearer {made}"
        content = json.dumps(body).encode() if body is not None else None
        known = {name: value for name, value in sent.items() if value}
        return await self.http.request(method, path, content=content, headers=known)

    def _credentials(self, path: str) -> dict[str, str]:
        key, token = self.server.project.client_key, self.server.project.token(self.user)
        if path.startswith("/v1/sync"):
            return {"x-client-id": key, "x-auth-token": token}
        return {"x-api-key": key, "authorization": f"Bearer {token}"}

    def _session(self, named: str) -> str:
        token = self.server.project.token
        head, payload, tag = token(self.user).split(".")
        spoilt_tag = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
        made = {
            "expired": token(self.user, ttl=-60),
            "scoped": token(self.user, scope="types:note"),
            "forged": ".".join((head, payload, spoilt_tag)),
        }
        assert tag != spoilt_tag
        return made.get(named, "")


def _same(text: str) -> str:
    return _CHANGING.sub("*", text)


@pytest.fixture(scope="module")
async def ways(shared_database_url: str) -> AsyncIterator[tuple[Way, Way, Way]]:
    settings = settings_for(shared_database_url)
    async with AsyncExitStack() as stack:
        project = await make_project(settings, "both-ways")
        # A folder of its own: the path of a socket is short.
        socket = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="syncline-"))) / "relay.sock"
        server = await stack.enter_async_context(started_server(settings, project, sockets=LocalSockets(relay=socket)))

        async def way(user: str, **options: Any) -> Way:
            address = await stack.enter_async_context(bridge_on(server, **options))
            http = httpx2.AsyncClient(base_url=f"http://{address}", timeout=30)
            return Way(await stack.enter_async_context(http), user, server)

        over_grpc, over_socket = await way("over-grpc"), await way("over-socket", relay_socket=socket)
        yield over_grpc, over_socket, await way("alone", relay_streams=0)


@pytest.fixture(scope="module")
def relayed_calls() -> "AsyncIterator[list[int]]":
    """The methods of the calls that were relayed."""
    taken: list[int] = []
    call = StreamCalls.call

    async def counted(self: StreamCalls, method: int, *rest: Any) -> bytes:
        taken.append(method)
        return await call(self, method, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StreamCalls, "call", counted)
        yield taken


async def relays(way: Way, relayed_calls: list[int]) -> None:
    """Wait until the calls of a bridge are relayed."""

    async def is_relayed() -> bool:
        relayed_calls.clear()
        await way.ask(*REQUESTS["a page of another type"])
        return bool(relayed_calls)

    await until(is_relayed)
    relayed_calls.clear()


async def test_every_answer_is_the_same_on_each_way(ways: tuple[Way, Way, Way], relayed_calls: list[int]):
    over_grpc, over_socket, alone = ways
    await relays(over_grpc, relayed_calls)
    await relays(over_socket, relayed_calls)
    for name, request in REQUESTS.items():
        expected = await alone.ask(*request)
        assert await over_grpc.ask(*request) == expected, name
        assert await over_socket.ask(*request) == expected, name
    assert Counter(relayed_calls).keys() == {1, 2, 3, 4}
    assert all(count % 2 == 0 for count in Counter(relayed_calls).values())  # each over gRPC, and over the socket


@pytest.mark.parametrize("over", [0, 1], ids=["grpc", "socket"])
async def test_each_answer_belongs_to_its_caller(ways: tuple[Way, Way, Way], relayed_calls: list[int], over: int):
    relayed = ways[over]
    await relays(relayed, relayed_calls)
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with at_once:
            await looked(number)

    async def looked(number: int) -> None:
        way = Way(relayed.http, f"canary-{over}-{number}", relayed.server)
        for turn in range(TURNS):
            change = {**CREATE, "entity_id": f"c{turn}", "data": {"canary": number}}
            assert (await way.send("POST", PUSH, pushed(change), {})).status_code == 200
            page = await way.send("GET", f"{PUSH}?entity_type=todo", None, {})
            assert {each["data"]["canary"] for each in page.json()["data"]["changes"]} == {number}

    await asyncio.gather(*(one(number) for number in range(USERS)))
    assert len(relayed_calls) >= USERS * TURNS * 2
