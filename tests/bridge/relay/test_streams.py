"""A stream to the server that is late, broken or going away: every call has its answer, and none is made twice."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google.rpc import status_pb2
from grpc import StatusCode, aio

from bridge.bridged import client_of_bridge_on
from bridge.dialects.checkpoint_sync.app import PATH
from harness import make_project, settings_for, started_server
from ports import free_address
from syncline.relay.v1 import relay_pb2, relay_pb2_grpc
from syncline.v1 import sync_pb2, sync_pb2_grpc
from syncline_bridge.relay.calls import StreamCalls
from syncline_server.rpc.server import LocalSockets
from waiting import until

HEADERS = {"x-api-key": "known", "authorization": "Bearer ada"}
QUERY = {"entity_type": "todo"}


class StandIn(sync_pb2_grpc.SyncServiceServicer, relay_pb2_grpc.RelayServiceServicer):
    """A server whose relay does as a test says; calls that come alone are answered."""

    def __init__(self, behaviour: str) -> None:
        self.relayed: list[relay_pb2.RelayRequest] = []
        self.streams = 0
        self.behaviour = behaviour

    async def CheckCaller(self, request: Any, context: Any) -> relay_pb2.CheckCallerResponse:  # noqa: N802  # the contract's name
        return relay_pb2.CheckCallerResponse()

    async def Pull(self, request: Any, context: Any) -> sync_pb2.PullResponse:  # noqa: N802  # the contract's name
        return sync_pb2.PullResponse(checkpoint_token="alone")

    async def Relay(self, requests: Any, context: Any) -> AsyncIterator[relay_pb2.RelayResponse]:  # noqa: N802  # the contract's name
        self.streams += 1
        yield relay_pb2.RelayResponse(max_request_bytes=4_000_000)
        if self.behaviour == "drains":
            yield relay_pb2.RelayResponse(draining=True)
        async for message in requests:
            self.relayed.append(message)
            if self.behaviour == "breaks":
                await context.abort(StatusCode.UNAVAILABLE, "broken")
            if self.behaviour == "knows no method":
                unknown = status_pb2.Status(code=StatusCode.UNIMPLEMENTED.value[0]).SerializeToString()
                yield relay_pb2.RelayResponse(
                    answers=[relay_pb2.Answer(id=call.id, status=unknown) for call in message.calls]
                )
            if self.behaviour == "answers":
                page = sync_pb2.PullResponse(checkpoint_token="relayed").SerializeToString()
                yield relay_pb2.RelayResponse(
                    answers=[relay_pb2.Answer(id=call.id, response=page) for call in message.calls]
                )


@asynccontextmanager
async def standing_in(
    behaviour: str = "answers", *, is_older: bool = False, **settings: Any
) -> AsyncIterator[tuple[StandIn, httpx2.AsyncClient]]:
    """Run a bridge in front of a stand-in; an older one knows no relay."""
    server, relay = aio.server(), StandIn(behaviour)
    sync_pb2_grpc.add_SyncServiceServicer_to_server(relay, server)
    if not is_older:
        relay_pb2_grpc.add_RelayServiceServicer_to_server(relay, server)
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        async with client_of_bridge_on(target, **settings) as http:
            yield relay, http
    finally:
        await server.stop(0)


async def token(http: httpx2.AsyncClient) -> str:
    """Pull, and return the token of the answer: it tells the way."""
    answer = await http.get(PATH, params=QUERY, headers=HEADERS)
    return str(answer.json()["data"]["checkpoint_token"]) if answer.status_code == 200 else str(answer.status_code)


async def takes_calls(http: httpx2.AsyncClient) -> None:
    async def is_relayed() -> bool:
        return await token(http) == "relayed"

    await until(is_relayed)


async def test_a_call_past_its_deadline_is_answered_and_cancelled_in_the_server():
    async with standing_in(pull_deadline_seconds=0.5) as (relay, http):
        await takes_calls(http)
        relay.behaviour, before = "says nothing", len(relay.relayed)
        assert await token(http) == "503"
        (number,) = [call.id for message in relay.relayed[before:] for call in message.calls]
        await until(lambda: any(number in message.cancelled for message in relay.relayed))


async def test_a_stream_that_breaks_leaves_no_call_without_an_answer():
    async with standing_in() as (relay, http):
        await takes_calls(http)
        relay.behaviour = "breaks"
        assert await token(http) == "503"
        relay.behaviour = "answers"
        assert await token(http) in {"alone", "relayed"}
        await takes_calls(http)


async def test_a_server_that_drains_gets_no_calls_by_its_stream():
    async with standing_in("drains") as (relay, http):
        await until(lambda: relay.streams > 1)  # the first was left at once, and another tried
        assert [await token(http) for _ in range(3)] == ["alone"] * 3
        assert not relay.relayed


async def test_without_streams_every_call_goes_alone():
    async with standing_in(relay_streams=0) as (relay, http):
        assert [await token(http) for _ in range(3)] == ["alone"] * 3
        assert relay.streams == 0


async def test_every_call_to_an_older_server_goes_alone():
    async with standing_in(is_older=True) as (_, http):
        assert [await token(http) for _ in range(3)] == ["alone"] * 3


async def test_a_call_of_a_method_that_the_stream_does_not_know_goes_alone():
    async with standing_in() as (relay, http):
        await takes_calls(http)
        relay.behaviour, before = "knows no method", len(relay.relayed)
        assert await token(http) == "alone"
        assert len(relay.relayed) > before


async def test_a_socket_is_found_whenever_its_server_is_there(sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
    """The stream after one that has ended is a new one, with nothing left of the old."""
    relayed: list[int] = []
    call = StreamCalls.call

    async def counted(self: StreamCalls, method: int, *rest: Any) -> bytes:
        relayed.append(method)
        return await call(self, method, *rest)

    monkeypatch.setattr(StreamCalls, "call", counted)
    settings = settings_for(sqlite_url).model_copy(update={"grpc_address": free_address()})
    project = await make_project(settings)
    headers = {"x-api-key": project.client_key, "authorization": f"Bearer {project.token()}"}
    with tempfile.TemporaryDirectory(prefix="syncline-") as folder:
        path = Path(folder) / "relay.sock"
        async with client_of_bridge_on(settings.grpc_address, relay_socket=path) as http:

            async def is_relayed() -> bool:
                answer = await http.get(PATH, params=QUERY, headers=headers)
                return answer.status_code == 200 and bool(relayed)

            for _ in range(2):
                relayed.clear()
                async with started_server(settings, project, sockets=LocalSockets(relay=path)):
                    await until(is_relayed)
