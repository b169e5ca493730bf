"""All kinds of clients of a deployment at work, and what they were told."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random

import httpx2

from bridge.bridged import Bridged
from bridge.dialects.checkpoint_sync.app import App as CheckpointApp
from bridge.dialects.mutation_sync.app import App as MutationApp
from bridge.dialects.mutation_sync.device import Device as MutationDevice
from chaos.apps import (
    CheckpointSync,
    MutationSync,
    NotingClient,
    check_answered,
    differences,
    pull_until_answered,
    use,
)
from chaos.deployment import HTTP, READERS, WRITERS, Deployment
from harness import Client, Server, change, settings_for
from syncline.v1 import sync_pb2
from syncline_client import SyncClient, Timing
from syncline_verify.history import Entity, Mark, Reader, RunHistory
from system.devices import Device, Habits, Key
from system.load import (
    END,
    Answers,
    Workload,
    acknowledge,
    end_history,
    page_to_end,
    push_until_answered,
    read_from,
    stream_to_end,
)
from system.mirrors import Mirror

USERS = ("ada", "bob")
TYPES = ("todo", "note", END)
"""The types of those users' entities, so that a firehose of these sees nobody else's."""
CHECKPOINT_USERS = ("carl", "cora")
MUTATION_USERS = ("mary", "milo")
DEVICES = ("A", "B")
CHAINS = "chain"
_WRITERS = 6
_BATCHES = 6
"""How many batches a writer makes into one push."""
_PAGE = 200
_FIRST_MS = 1_700_000_000_000
_CHECKPOINT_TYPE = "sketch"
_TIMING = Timing(call_seconds=10, total_seconds=120, first_pause_seconds=0.05, longest_pause_seconds=0.5)
_HTTP_SECONDS = 15
_ROUNDS = 3
"""After how many rounds two apps that take turns have heard everything of each other."""


def http_through(site: Deployment) -> httpx2.AsyncClient:
    """Return a client of the bridge, for `Load`."""
    return httpx2.AsyncClient(
        base_url=f"http://{site.proxies[HTTP].address}",
        timeout=_HTTP_SECONDS,
        event_hooks={"response": [check_answered]},
    )


@dataclass
class Load:
    """Clients that outlive every fault; use `run`."""

    site: Deployment
    http: httpx2.AsyncClient
    seed: int
    history: RunHistory = field(default_factory=RunHistory)
    answers: Answers = field(default_factory=Answers)
    checkpoint_apps: dict[str, list[Device]] = field(default_factory=dict)
    mutation_apps: dict[str, list[MutationSync]] = field(default_factory=dict)
    over: bool = False
    waiting: set[str] = field(default_factory=set)
    """Who has not come to an end."""

    @property
    def acknowledged(self) -> int:
        """How many changes were, over all protocols."""
        native = len(self.history.acknowledged)
        checkpoint = sum(device.calls.pushed for device in self._checkpoint_devices())
        return native + checkpoint + sum(app.device.acknowledged for app in self._mutation_apps())

    def _checkpoint_devices(self) -> Iterator[Device]:
        return (device for devices in self.checkpoint_apps.values() for device in devices)

    def _mutation_apps(self) -> Iterator[MutationSync]:
        return (app for apps in self.mutation_apps.values() for app in apps)

    def server(self, way: str) -> Server:
        return Server(self.site.proxies[way].address, self.site.project, settings_for("sqlite:///unused"))

    async def run(self) -> None:
        """Write until it is over; read until everything is read."""
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as readers:
            for name, reading in [reading async for reading in self._readings(stack)]:
                readers.create_task(self._noted(name, reading))
            async with asyncio.TaskGroup() as writers:
                for name, writing in [writing async for writing in self._writings(stack)]:
                    writers.create_task(self._noted(name, writing))
            for user in USERS:
                client = await stack.enter_async_context(self.server(WRITERS).client(user))
                await end_history(client, self.history, user)

    async def _noted(self, name: str, work: "asyncio._CoroutineLike[None]") -> None:
        self.waiting.add(name)
        await work
        self.waiting.discard(name)

    async def _readings(self, stack: AsyncExitStack):  # type: ignore[no-untyped-def]
        server = self.server(READERS)
        for user in USERS:
            client = await stack.enter_async_context(server.client(user))
            yield f"pages of {user}", page_to_end(client, self.history.reader(f"pages of {user}", user), _PAGE)
            stream = self.history.reader(f"stream of {user}", user)
            yield f"stream of {user}", stream_to_end(client, stream, [user])
        service = await stack.enter_async_context(server.service())
        yield "firehose", stream_to_end(service, self.history.reader("firehose", None, *TYPES, CHAINS), USERS)
        mirror = Mirror(self.history.reader("mirror", None, *TYPES, CHAINS), self._sync_client, USERS)
        yield "mirror", mirror.run()

    def _sync_client(self) -> SyncClient:
        return SyncClient(self.site.proxies[READERS].address, api_key=self.site.project.server_key, timing=_TIMING)

    async def _writings(self, stack: AsyncExitStack):  # type: ignore[no-untyped-def]
        for number in range(_WRITERS):
            name, user = f"w{number}", USERS[number % len(USERS)]
            client = await stack.enter_async_context(self.server(WRITERS).client(user, device=name))
            yield name, self._write(client, name, user)
        bridged = Bridged(self.server(HTTP), self.http)
        for user in CHECKPOINT_USERS:
            self.checkpoint_apps[user] = [self._checkpoint_device(bridged, user, name) for name in DEVICES]
            for device in self.checkpoint_apps[user]:
                yield f"{user}'s {device.name}", use(device, self.seed, lambda: self.over)
        for user in MUTATION_USERS:
            self.mutation_apps[user] = [self._mutation_app(bridged, user, name) for name in DEVICES]
            for app in self.mutation_apps[user]:
                yield f"{user}'s {app.device.name}", app.use(lambda: self.over)

    async def _write(self, client: Client, name: str, user: str) -> None:
        workload = Workload(self.seed, name, (name,), first_ms=_FIRST_MS)
        chained = 0
        while not self.over:
            # Each link names the one before, so a retry that were not recognised would be a conflict.
            link = change("update", f"{name}-chain", {"n": workload.created}, entity_type=CHAINS, base=chained)
            batch = [*(one for _ in range(_BATCHES) for one in workload.batch()), link]
            answer = await push_until_answered(client, sync_pb2.PushRequest(changes=batch), self.answers)
            acknowledge(self.history, user, batch, answer)
            chained = answer.results[-1].change.revision

    def _checkpoint_device(self, bridged: Bridged, user: str, name: str) -> Device:
        app = CheckpointApp(bridged, user, device=f"{user}-{name}")
        # Changes say when they were made, or one that the network delivers late would be news.
        habits = Habits(types=(_CHECKPOINT_TYPE,), late=True)
        return Device(name, CheckpointSync(bridged.http), tuple(app.headers.items()), habits)

    def _mutation_app(self, bridged: Bridged, user: str, name: str) -> MutationSync:
        app = MutationApp(bridged, user)
        return MutationSync(
            MutationDevice(name, NotingClient(app.http, app.headers), Random(f"{self.seed}/{user}/{name}"))
        )

    async def settle(self) -> None:
        """Let the apps say what they have left to say, and hear everything."""
        for apps in self.mutation_apps.values():
            for _ in range(_ROUNDS):
                for app in apps:
                    await app.settle()
        for device in self._checkpoint_devices():
            await device.pull_to_end()

    async def app_problems(self, log: Reader) -> AsyncIterator[str]:
        """Compare the apps of a user, which have settled, with each other and with the log."""
        for user, apps in self.mutation_apps.items():
            fresh = apps[0].another()
            await pull_until_answered(fresh)
            for problem in differences(apps, fresh, {entry.entity.entity_id for entry in log.entries}):
                yield f"mutation sync, {user}: {problem}"
        for user, devices in self.checkpoint_apps.items():
            there = await self._there(user)
            for device in devices:
                if device.there() != there:
                    yield f"checkpoint sync, {user}: {device.name} has {device.there()}, not {there}"

    async def _there(self, user: str) -> dict[Key, object]:
        async with self.server(READERS).client(user) as client:
            return {
                (one.entity_type, one.entity_id): json.loads(one.data)
                for one in await client.pull_all(page_size=1000)
                if one.action != sync_pb2.ACTION_DELETE
            }

    async def log(self) -> Reader:
        """Read everything there is, once more."""
        async with self.server(READERS).service() as service:
            return await read_from(service, Reader("log"), "")

    async def read_again(self, reader: Reader, mark: Mark) -> Reader:
        server = self.server(READERS)
        async with server.client(reader.user) if reader.user else server.service() as client:
            return await read_from(client, reader, mark.token)

    async def written_twice(self) -> Iterable[Entity]:
        """Return the creates that were written again over themselves."""
        async with self.server(READERS).service() as service:
            return [
                Entity(one.user_id, one.entity_type, one.entity_id)
                async for message in service.stream(all_users=True)
                for one in message.changes
                if Entity(one.user_id, one.entity_type, one.entity_id) in self.history.once
                and one.revision != one.created_revision
            ]
