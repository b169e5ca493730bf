"""Apps over HTTP, one dialect each, that try again until they are answered."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx2

from bridge.dialects.checkpoint_sync import app as checkpoint_sync
from bridge.dialects.checkpoint_sync.app import data_of
from bridge.dialects.mutation_sync import device as mutation_sync
from bridge.dialects.mutation_sync.strict_client import StrictClient
from harness import ACTIONS
from syncline.v1 import sync_pb2
from system.devices import Device, Metadata
from waiting import retried

_UNANSWERED = {502, 503, 504}
_NAMES = {number: name for name, number in ACTIONS.items()}
_PAUSE_SECONDS = 0.05
_ROUND_SECONDS = 0.02
_MOST_ACTS = 4


class Unanswered(Exception):
    """The bridge, or something on the way to it, could not say what became of a request."""


_NO_ANSWER = (httpx2.TransportError, Unanswered)


async def check_answered(response: httpx2.Response) -> None:
    if response.status_code in _UNANSWERED:
        raise Unanswered(response.status_code)


@dataclass
class CheckpointSync:
    """The calls of `system.devices.Device`, over the checkpoint dialect."""

    http: httpx2.AsyncClient
    pushed: int = 0
    """Changes that were acknowledged."""

    async def push(self, metadata: Metadata, request: sync_pb2.PushRequest) -> sync_pb2.PushResponse:
        body = {"changes": [_edit(one) for one in request.changes]}
        if request.checkpoint_token:
            body["checkpoint_token"] = request.checkpoint_token
        text = json.dumps(body)
        send = lambda: self.http.post(checkpoint_sync.PATH, content=text, headers=dict(metadata))  # noqa: E731
        data = data_of(await answered(send))
        conflicts = [_conflict(each) for each in data["conflicts"]]
        assert data["applied"] + len(conflicts) == len(request.changes)
        self.pushed += data["applied"]
        return sync_pb2.PushResponse(results=conflicts, checkpoint_token=data["checkpoint_token"])

    async def pull(self, metadata: Metadata, request: sync_pb2.PullRequest) -> sync_pb2.PullResponse:
        query = {"entity_type": request.entity_types[0], "checkpoint_token": request.checkpoint_token}
        send = lambda: self.http.get(checkpoint_sync.PATH, params=query, headers=dict(metadata))  # noqa: E731
        data = data_of(await answered(send))
        assert "reset" not in data, "a token was no longer known"
        changes = [_change(each, each["action"], each["data"]) for each in data["changes"]]
        return sync_pb2.PullResponse(
            changes=changes, checkpoint_token=data["checkpoint_token"], has_more=data["has_more"]
        )


async def answered(send: Callable[[], Any]) -> httpx2.Response:
    """Send the same request again for as long as there is no answer."""
    response: httpx2.Response = await _until_answered(send)
    return response


async def _until_answered(call: Callable[[], Awaitable[Any]]) -> Any:
    return await retried(call, despite=_NO_ANSWER, within_seconds=None, look_seconds=_PAUSE_SECONDS)


async def use(device: Device, seed: int, is_over: Callable[[], bool]) -> None:
    """Push and pull in whatever order."""
    drawn = Random(f"{seed}/{device.metadata}/{device.name}")
    while not is_over():
        await (device.push() if drawn.random() < 0.5 else device.pull())
        await asyncio.sleep(_ROUND_SECONDS)


@dataclass
class MutationSync:
    """An app of the mutation dialect that works offline."""

    device: mutation_sync.Device

    async def use(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            for _ in range(self.device.random.randint(0, _MOST_ACTS)):
                self.device.act()
            await self.sync()
            await asyncio.sleep(_ROUND_SECONDS)

    async def sync(self) -> None:
        try:
            await self.device.sync()
        except _NO_ANSWER:
            await asyncio.sleep(_PAUSE_SECONDS)

    async def settle(self) -> None:
        """Sync until it has nothing left to say, and then hear what there is."""
        while self.device.queue:
            await self.sync()
        await pull_until_answered(self.device.client)

    def another(self) -> "NotingClient":
        """Return another app of its user, which knows nothing yet."""
        return NotingClient(self.device.client.http, self.device.client.headers)

    def lost(self, logged: Set[str]) -> set[str]:
        """Return the ids of what it was told is in the log, and is not."""
        assert isinstance(self.device.client, NotingClient)
        return self.device.client.acknowledged - logged


@dataclass
class NotingClient(StrictClient):
    """Notes what it was told is there, or is deleted: that has to be in the log for ever."""

    acknowledged: set[str] = field(default_factory=set)
    """Ids."""

    async def push(self, mutations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        answers = await super().push(mutations)
        self.acknowledged.update(each["resourceId"] for each in answers)
        return answers


async def pull_until_answered(client: StrictClient) -> None:
    await _until_answered(client.pull)


def differences(apps: Sequence[MutationSync], fresh: StrictClient, logged: Set[str]) -> Iterator[str]:
    """Compare apps of a user, which have settled, with a new one, and what they were told with the ids in the log."""
    for app in apps:
        held = app.device.client.held
        differing = [key for key in fresh.held.keys() | held if held.get(key) != fresh.held.get(key)]
        if differing:
            yield f"{app.device.name} differs in {len(differing)}, {differing[:3]}"
        if lost := app.lost(logged):
            yield f"{len(lost)} of {app.device.name} are lost, {sorted(lost)[:3]}"
    tags = Counter(data["tag"] for data in fresh.held.values() if "tag" in data)
    yield from (f"{tag} was created {times} times" for tag, times in tags.items() if times > 1)


def _edit(one: sync_pb2.Change) -> dict[str, Any]:
    edit = {
        "entity_type": one.entity_type,
        "entity_id": one.entity_id,
        "action": _NAMES[one.action],
        "client_timestamp": one.client_timestamp.ToJsonString(),
    }
    return edit if one.action == sync_pb2.ACTION_DELETE else {**edit, "data": json.loads(one.data)}


def _change(told: dict[str, Any], action: str, data: dict[str, Any]) -> sync_pb2.Change:
    return sync_pb2.Change(
        entity_type=told["entity_type"],
        entity_id=told["entity_id"],
        action=ACTIONS[action],
        data=json.dumps(data).encode(),
        revision=told["revision"],
    )


def _conflict(told: dict[str, Any]) -> sync_pb2.PushResult:
    data = dict(told["server_data"])
    del data["last_synced_at"]
    change = _change(told, "delete" if data.pop("deleted", False) else "update", data)
    return sync_pb2.PushResult(outcome=sync_pb2.OUTCOME_CONFLICT, change=change)
