"""The relay as a server sees it: whoever opens a stream can do what calls of his own could, and no more."""

import asyncio
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2
from grpc import aio

from harness import Project, Server, change, failure, failure_of, ids, opened_engines, settings_for, started_server
from syncline.relay.frames import Frames, FrameTooLarge, framed
from syncline.relay.v1 import relay_pb2, relay_pb2_grpc
from syncline.v1 import sync_pb2
from syncline_server.operate import keys
from syncline_server.rpc.server import LocalSockets
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.registry import SqlRegistry

SOON = 10
CODES = {code.value[0]: code for code in grpc.StatusCode}
PUSH, PULL = relay_pb2.METHOD_PUSH, relay_pb2.METHOD_PULL
PULLED = sync_pb2.PullRequest(entity_types=["todo"]).SerializeToString()


def credentials(project: Project, user: str, **fields: str) -> bytes:
    sent = {"api_key": project.client_key, "authorization": f"Bearer {project.token(user)}", **fields}
    return relay_pb2.Credentials(**sent).SerializeToString()


def pushed(entity_id: str) -> bytes:
    return sync_pb2.PushRequest(changes=[change("create", entity_id)]).SerializeToString()


class Stream:
    """One stream to a server, and the answers it has brought."""

    def __init__(self, channel: aio.Channel) -> None:
        self.call: Any = relay_pb2_grpc.RelayServiceStub(channel).Relay()
        self.answers: dict[int, relay_pb2.Answer] = {}
        self.is_draining = False
        self._sent = 0

    async def hello(self) -> relay_pb2.RelayResponse:
        async with asyncio.timeout(SOON):
            said: relay_pb2.RelayResponse = await self.call.read()
        return said

    async def send(self, method: Any, request: bytes, caller: bytes, count: int = 1) -> list[int]:
        """Send a call so many times, in one message; returns the ids."""
        numbers = [*range(self._sent + 1, self._sent + count + 1)]
        self._sent += count
        calls = [
            relay_pb2.Call(id=number, method=method, request=request, credentials=caller, request_id="r1")
            for number in numbers
        ]
        await self.call.write(relay_pb2.RelayRequest(calls=calls))
        return numbers

    async def answered(self, numbers: Sequence[int]) -> list[relay_pb2.Answer]:
        async with asyncio.timeout(SOON):
            while not self.answers.keys() >= set(numbers):
                message = await self.call.read()
                assert message is not aio.EOF
                self.is_draining |= message.draining
                self.answers |= {answer.id: answer for answer in message.answers}
        return [self.answers[number] for number in numbers]

    async def to_its_end(self) -> None:
        async with asyncio.timeout(SOON):
            while await self.call.read() is not aio.EOF:
                pass

    async def ask(self, method: Any, request: bytes, caller: bytes) -> relay_pb2.Answer:
        (answer,) = await self.answered(await self.send(method, request, caller))
        return answer


def refusal(answer: relay_pb2.Answer) -> Any:
    status = status_pb2.Status.FromString(answer.status)
    return failure_of(CODES[status.code], status)


@asynccontextmanager
async def stream_to(server: Server) -> AsyncIterator[Stream]:
    async with aio.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        stream = Stream(channel)
        await stream.hello()
        yield stream


@pytest.fixture
async def stream(shared_server: Server) -> AsyncIterator[Stream]:
    async with stream_to(shared_server) as opened:
        yield opened


async def test_callers_share_a_stream_and_nothing_else(shared_server: Server, stream: Stream, unique: Any):
    users = [unique("user") for _ in range(20)]
    callers = [credentials(shared_server.project, user) for user in users]
    for _ in range(2):  # unknown callers first, then those who are known
        sent = [await stream.send(PUSH, pushed(user), caller) for user, caller in zip(users, callers, strict=True)]
        await stream.answered([number for (number,) in sent])
    for user, caller in zip(users, callers, strict=True):
        page = sync_pb2.PullResponse.FromString((await stream.ask(PULL, PULLED, caller)).response)
        assert ids(page.changes) == [user]


async def test_a_request_that_is_no_message_fails_alone(shared_server: Server, stream: Stream, user: str):
    caller = credentials(shared_server.project, user)
    bad, good = await stream.send(PUSH, b"\xff", caller), await stream.send(PUSH, pushed("e1"), caller)
    answers = await stream.answered([*bad, *good])
    assert refusal(answers[0]).reason == "REQUEST_INVALID"
    assert answers[1].response


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"\xff", "credentials"),
        (relay_pb2.Credentials(api_key="ключ").SerializeToString(), "credentials.api_key"),
        (relay_pb2.Credentials(authorization="Bearer a\nb").SerializeToString(), "credentials.authorization"),
        (b"\x0a\x90\x4e" + b"k" * 20_000, "credentials"),
    ],
    ids=["no message", "beyond ASCII", "a control character", "too large"],
)
async def test_credentials_that_no_metadata_could_carry_are_refused(stream: Stream, raw: bytes, field: str):
    refused = refusal(await stream.ask(PULL, PULLED, raw))
    assert (refused.code, refused.violations[0][0]) == ("INVALID_ARGUMENT", field)


async def test_a_method_that_is_not_known_is_unimplemented(shared_server: Server, stream: Stream, user: str):
    answer = await stream.ask(99, b"", credentials(shared_server.project, user))
    assert status_pb2.Status.FromString(answer.status).code == grpc.StatusCode.UNIMPLEMENTED.value[0]


async def test_a_call_that_is_cancelled_before_its_commit_is_not_applied(
    shared_server: Server, stream: Stream, user: str
):
    caller = credentials(shared_server.project, user)
    await stream.ask(PULL, PULLED, caller)
    call = relay_pb2.Call(id=1000, method=PUSH, request=pushed("e1"), credentials=caller)
    await stream.call.write(relay_pb2.RelayRequest(calls=[call], cancelled=[1000, 12345]))
    await stream.ask(PUSH, pushed("e2"), caller)
    page = sync_pb2.PullResponse.FromString((await stream.ask(PULL, PULLED, caller)).response)
    assert (ids(page.changes), 1000 in stream.answers) == (["e2"], False)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (relay_pb2.RelayRequest(calls=[relay_pb2.Call(id=each) for each in range(129)]), "calls"),
        (relay_pb2.RelayRequest(calls=[relay_pb2.Call(id=1, method=PULL)] * 2), "calls"),
        (relay_pb2.RelayRequest(cancelled=range(1025)), "cancelled"),
    ],
    ids=["too many calls", "an id twice", "too many cancelled"],
)
async def test_a_message_beyond_the_contract_ends_the_stream(stream: Stream, message: Any, field: str):
    await stream.call.write(message)
    with pytest.raises(aio.AioRpcError) as ended:
        await stream.to_its_end()
    assert (failure(ended.value).code, failure(ended.value).violations[0][0]) == ("INVALID_ARGUMENT", field)


async def test_a_stranger_who_opens_many_streams_loses_his_oldest_and_a_bridge_with_users_none(
    shared_server: Server, stream: Stream, user: str
):
    caller = credentials(shared_server.project, user)
    await stream.ask(PULL, PULLED, caller)
    channel = aio.insecure_channel(shared_server.address)
    async with channel:
        strangers = []
        for _ in range(17):
            strangers.append(Stream(channel))
            await strangers[-1].hello()
        with pytest.raises(aio.AioRpcError) as ended:
            await strangers[0].to_its_end()
        assert failure(ended.value).reason == "TOO_MANY_OPEN"
        assert (await stream.ask(PULL, PULLED, caller)).response


async def test_a_withdrawn_key_that_is_in_use_stops_when_the_entry_it_came_from_ends(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
):
    """A key is known for 15 s and what was made of it for 15 more; here each is one second."""
    for module in ("authenticator", "key_cache"):
        monkeypatch.setattr(f"syncline_server.identity.{module}.CACHE_SECONDS", 1.0)
    async with started_server(settings_for(sqlite_url)) as server, stream_to(server) as stream:
        caller = credentials(server.project, "ada")
        assert (await stream.ask(PUSH, pushed("e0"), caller)).response
        async with opened_engines(server.settings) as engines:
            catalogue = EngineCatalogue(engines)
            for key in await keys.recorded(catalogue, server.project.name):
                await keys.revoke(SqlRegistry(engines), catalogue, server.project.name, key.id)
        withdrawn_at = time.monotonic()
        async with asyncio.timeout(SOON):
            while (answer := await stream.ask(PUSH, pushed("e1"), caller)).response:
                pass
        assert refusal(answer).reason == "KEY_INVALID"
        assert time.monotonic() - withdrawn_at < 2.5


async def test_a_server_that_ends_says_so_and_answers_what_it_has(sqlite_url: str):
    running = started_server(settings_for(sqlite_url))
    server = await running.__aenter__()
    async with stream_to(server) as stream:
        caller = credentials(server.project, "ada")
        await stream.ask(PULL, PULLED, caller)
        numbers = await stream.send(PUSH, pushed("e1"), caller, count=128)
        await stream.answered(numbers[:1])
        ending = asyncio.create_task(running.__aexit__(None, None, None))
        answers = await stream.answered(numbers)
        assert all(answer.response for answer in answers)
        async with asyncio.timeout(SOON):
            while not stream.is_draining:
                stream.is_draining = (await stream.call.read()).draining
        stream.call.cancel()
        await ending


@pytest.fixture
async def socket_path(sqlite_url: str) -> AsyncIterator[Path]:
    """A server's socket for relayed calls."""
    with tempfile.TemporaryDirectory(prefix="syncline-") as folder:
        path = Path(folder) / "relay.sock"
        async with started_server(settings_for(sqlite_url), sockets=LocalSockets(relay=path)):
            yield path


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff\xff\xff\xff",
        framed(b"\xff"),
        framed(relay_pb2.RelayRequest(calls=[relay_pb2.Call(id=each) for each in range(129)]).SerializeToString()),
    ],
    ids=["too large", "no message", "too many calls"],
)
async def test_what_breaks_the_contract_on_a_socket_ends_that_stream_alone(socket_path: Path, sent: bytes):
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as bad, socket.socket(socket.AF_UNIX) as good:
        for each in (bad, good):
            each.setblocking(False)
            await loop.sock_connect(each, str(socket_path))
            assert await loop.sock_recv(each, 1000)  # the hello
        await loop.sock_sendall(bad, sent)
        async with asyncio.timeout(SOON):
            assert await _end_of(loop, bad)
        call = relay_pb2.Call(id=7, method=PULL, request=PULLED)
        await loop.sock_sendall(good, framed(relay_pb2.RelayRequest(calls=[call]).SerializeToString()))
        (raw,) = Frames(10_000).feed(await loop.sock_recv(good, 10_000))
        (answer,) = relay_pb2.RelayResponse.FromString(raw).answers
        assert (answer.id, refusal(answer).reason) == (7, "KEY_INVALID")


async def _end_of(loop: asyncio.AbstractEventLoop, ended: socket.socket) -> bool:
    try:
        return await loop.sock_recv(ended, 1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 1000])
def test_frames_come_whole_however_they_are_cut(piece: int):
    messages = [b"", b"a", b"x" * 300, b"last"]
    sent = b"".join(map(framed, messages))
    frames = Frames(300)
    cut = [sent[at : at + piece] for at in range(0, len(sent), piece)]
    assert [message for data in cut for message in frames.feed(data)] == messages


def test_a_frame_over_the_limit_is_refused_by_its_length_alone():
    with pytest.raises(FrameTooLarge):
        list(Frames(300).feed(b"\x00\x00\x01\x2d"))
