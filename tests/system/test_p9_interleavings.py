"""The token that a push returns never skips (design.md P9), whatever two devices of a user do in whatever order."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import chain, product
from typing import Any

import pytest

from harness import Server, settings_for, started_server
from syncline.v1 import sync_pb2, sync_pb2_grpc
from syncline_server.rpc.service import SyncService
from syncline_server.sync.changes import Push, PushOutcome
from syncline_server.sync.circle import at_rest
from syncline_server.sync.push import Pusher
from syncline_server.sync.store import PageQuery
from system.devices import Calls, Device, Habits, Key, Metadata, play

SEED = 20260801
STEPS = ("A push", "A pull", "B push", "B pull")
LONGEST = 6
CONCURRENT = 256
"""Sequences at once, each of a user of its own, so that group commit has groups."""

Steps = tuple[str, ...]
OpenPlace = Callable[..., Awaitable["Place"]]


class HeadPusher(Pusher):
    """Always returns the head: the mistake that P9 is there to prevent."""

    def begin(self, push: Push) -> "asyncio.Future[PushOutcome | None]":
        return asyncio.ensure_future(self._with_head(push))

    async def _with_head(self, push: Push) -> PushOutcome | None:
        outcome = await super().begin(push)
        assert outcome is not None
        page = await self._store.page(PageQuery(push.project_id, None, (), after_revision=0, limit=0, max_bytes=0))
        return outcome._replace(checkpoint=at_rest(page.history, outcome.head_revision))


@dataclass(frozen=True)
class Context:
    """As much of a gRPC context as the handlers of unary calls ask for."""

    metadata: Metadata

    def invocation_metadata(self) -> Metadata:
        return self.metadata


class WithoutTransport:
    """Calls the handlers."""

    def __init__(self, service: SyncService) -> None:
        self._service = service

    async def push(self, metadata: Metadata, request: sync_pb2.PushRequest) -> sync_pb2.PushResponse:
        return await self._service.Push(request, Context(metadata))

    async def pull(self, metadata: Metadata, request: sync_pb2.PullRequest) -> sync_pb2.PullResponse:
        return sync_pb2.PullResponse.FromString(await self._service.Pull(request, Context(metadata)))


class OverGrpc:
    """Calls a server."""

    def __init__(self, stub: sync_pb2_grpc.SyncServiceStub) -> None:
        self._stub: Any = stub

    async def push(self, metadata: Metadata, request: sync_pb2.PushRequest) -> sync_pb2.PushResponse:
        answer: sync_pb2.PushResponse = await self._stub.Push(request, metadata=metadata, timeout=60)
        return answer

    async def pull(self, metadata: Metadata, request: sync_pb2.PullRequest) -> sync_pb2.PullResponse:
        page: sync_pb2.PullResponse = await self._stub.Pull(request, metadata=metadata, timeout=60)
        return page


@dataclass(frozen=True)
class Miss:
    """A device that does not hold what the server has, though it has pulled to the end."""

    steps: Steps
    device: str
    holds: dict[Key, Any]
    server: dict[Key, Any]


@dataclass(frozen=True)
class Place:
    """Where devices meet."""

    server: Server
    calls: Calls

    async def misses(self, sequences: Iterable[Steps], habits: Habits) -> list[Miss]:
        """Run the sequences, many at once, each with a user of its own, and return what was missed."""
        played: dict[str, tuple[Steps, list[Device]]] = {}
        waiting = iter(sequences)

        async def work() -> None:
            for steps in waiting:
                user = f"user-{len(played)}"
                devices = [self._device(user, name, habits) for name in ("A", "B")]
                played[user] = steps, devices
                await play(steps, devices)

        async with asyncio.TaskGroup() as workers:
            for _ in range(CONCURRENT):
                workers.create_task(work())
        return [miss async for miss in self._compare(played)]

    async def _compare(self, played: dict[str, tuple[Steps, list[Device]]]) -> AsyncIterator[Miss]:
        there: dict[str, dict[Key, Any]] = {user: {} for user in played}
        async with self.server.service() as service:
            async for message in service.stream(all_users=True):
                for one in message.changes:
                    if one.action != sync_pb2.ACTION_DELETE:
                        there[one.user_id][one.entity_type, one.entity_id] = json.loads(one.data)
        for user, (steps, devices) in played.items():
            for device in devices:
                if device.there() != there[user]:
                    yield Miss(steps, device.name, device.there(), there[user])

    def _device(self, user: str, name: str, habits: Habits) -> Device:
        # Tokens of one second are equal unless something in them differs; a scope of its own makes a session.
        scope = " ".join(("sync", *habits.types, name))
        token = self.server.project.token(user, device=name if habits.knows_device else None, scope=scope)
        metadata = (("x-api-key", self.server.project.client_key), ("authorization", f"Bearer {token}"))
        return Device(name, self.calls, metadata, habits)


@pytest.fixture
async def open_place(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenPlace]:
    """Open a server with a Pusher of some type, to be called without its transport."""
    made: list[SyncService] = []

    class Kept(SyncService):
        def __init__(self, **collaborators: Any) -> None:
            super().__init__(**collaborators)
            made.append(self)

    async with AsyncExitStack() as stack:

        async def open_with(pusher_type: type[Pusher] = Pusher) -> Place:
            monkeypatch.setattr("syncline_server.app.SyncService", Kept)
            monkeypatch.setattr("syncline_server.app.Pusher", pusher_type)
            server = await stack.enter_async_context(started_server(settings_for(database_url)))
            return Place(server, WithoutTransport(made[0]))

        yield open_with


def sequences(longest: int) -> Iterator[Steps]:
    """Yield every sequence of one to so many steps that begins with A; those that begin with B are their mirror images.

    The devices differ by nothing but their names, and the end of a shorter sequence is checked as such.
    """
    return chain.from_iterable(product(STEPS[:2], *[STEPS] * (length - 1)) for length in range(1, longest + 1))


async def test_no_interleaving_of_two_devices_misses_a_change(open_place: OpenPlace):
    place = await open_place()
    found = await place.misses(sequences(LONGEST), Habits())
    assert not found, found[0]


@pytest.mark.parametrize(
    "habits",
    [
        pytest.param(Habits(knows_device=False), id="the session known by its token"),
        pytest.param(Habits(shows_token=True), id="pushes that show the cursor"),
        pytest.param(Habits(types=("todo", "note")), id="two types in a push"),
        pytest.param(Habits(types=("todo", "note"), knows_device=False), id="two types, session known by its token"),
        pytest.param(Habits(late=True), id="changes that lose"),
    ],
)
async def test_no_habit_of_a_client_makes_it_miss_a_change(open_place: OpenPlace, habits: Habits):
    place = await open_place()
    found = await place.misses(sequences(LONGEST - 2), habits)
    assert not found, found[0]


async def test_no_interleaving_over_grpc_misses_a_change(server: Server):
    drawn = random.Random(SEED).sample(list(sequences(LONGEST)), 200)
    async with server.client() as client:
        place = Place(server, OverGrpc(client.stub))
        found = await place.misses(drawn, Habits(types=("todo", "note")))
    assert not found, found[0]


async def test_the_comparison_finds_what_is_missed_when_a_push_returns_the_head(open_place: OpenPlace):
    place = await open_place(HeadPusher)
    found = await place.misses(sequences(LONGEST - 2), Habits())
    assert ("A push", "B push") in {miss.steps for miss in found}
    assert {miss.device for miss in found} == {"A", "B"}
