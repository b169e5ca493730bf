"""A client as P9 has it in mind: it trusts every token it is given, and nothing else it is told."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness import change, now_ms
from syncline.v1 import sync_pb2

PAGE = 2
"""Less than a push brings, so that pages are cut."""
_ALL_AT_ONCE = 1000
_LATE_MS = 3_600_000

Metadata = tuple[tuple[str, str], ...]
Key = tuple[str, str]


class Calls(Protocol):
    """The service, over whatever transport."""

    async def push(self, metadata: Metadata, request: sync_pb2.PushRequest) -> sync_pb2.PushResponse: ...

    async def pull(self, metadata: Metadata, request: sync_pb2.PullRequest) -> sync_pb2.PullResponse: ...


@dataclass(frozen=True)
class Habits:
    """How a client goes about it."""

    types: tuple[str, ...] = ("todo",)
    """What it pulls, each by a cursor of its own; a push touches them all."""
    knows_device: bool = True
    """Its session token names the device."""
    shows_token: bool = False
    """Its pushes carry its cursor; for clients of one type, as cursors cannot be compared."""
    late: bool = False
    """Device B's changes were made an hour ago, so they lose against those of A; then it takes over what has won."""


@dataclass
class Device:
    """Keeps one cursor a type, overwrites it with each push's token, ignores has_more and what pushes answer."""

    name: str
    calls: Calls
    metadata: Metadata
    habits: Habits
    replica: dict[Key, Any] = field(default_factory=dict)
    """What it holds; None: it knows that it is deleted."""
    cursors: dict[str, str] = field(default_factory=dict)
    pushes: int = 0

    async def push(self) -> None:
        """Push the next changes of the script, applied to the replica beforehand."""
        self.pushes += 1
        changes = self._script()
        for one in changes:
            self._edit(one)
        token = self.cursors.get(self.habits.types[0], "") if self.habits.shows_token else None
        answer = await self.calls.push(self.metadata, sync_pb2.PushRequest(changes=changes, checkpoint_token=token))
        self.cursors = dict.fromkeys(self.habits.types, answer.checkpoint_token)
        if self.habits.late:
            self._take(one.change for one in answer.results if one.outcome == sync_pb2.OUTCOME_CONFLICT)

    async def pull(self, page_size: int = PAGE) -> bool:
        """Pull one page of each type; returns whether there is more."""
        more = False
        for entity_type in self.habits.types:
            request = sync_pb2.PullRequest(
                entity_types=[entity_type], checkpoint_token=self.cursors.get(entity_type, ""), page_size=page_size
            )
            page = await self.calls.pull(self.metadata, request)
            self._take(page.changes)
            self.cursors[entity_type] = page.checkpoint_token
            more = more or page.has_more
        return more

    async def pull_to_end(self) -> None:
        while await self.pull(_ALL_AT_ONCE):
            pass

    def there(self) -> dict[Key, Any]:
        """Return what its user sees."""
        return {key: data for key, data in self.replica.items() if data is not None}

    def _script(self) -> list[sync_pb2.Change]:
        """Return merges alone, into entities that both devices share; and every other time other things too."""
        first, last = self.habits.types[0], self.habits.types[-1]
        if self.pushes % 2:
            return [self._change("update", shared, kind) for shared, kind in (("x", first), ("y", last), ("z", first))]
        return [
            self._change("create", f"{self.name}{self.pushes}", first),
            self._change("update", "x", first),
            self._change("delete", "y", last),
        ]

    def _change(self, action: str, entity_id: str, entity_type: str) -> sync_pb2.Change:
        deleted = self.replica.get((entity_type, entity_id), {}) is None
        action = "create" if action == "update" and deleted else action
        at_ms = now_ms() - (_LATE_MS if self.name == "B" else 0) if self.habits.late else None
        return change(action, entity_id, {self.name: self.pushes}, entity_type=entity_type, at_ms=at_ms)

    def _edit(self, one: sync_pb2.Change) -> None:
        key = (one.entity_type, one.entity_id)
        if one.action == sync_pb2.ACTION_DELETE:
            self.replica[key] = None
            return
        before = self.replica.get(key) if one.action == sync_pb2.ACTION_UPDATE else None
        self.replica[key] = {**(before or {}), **json.loads(one.data)}

    def _take(self, changes: Any) -> None:
        for one in changes:
            deleted = one.action == sync_pb2.ACTION_DELETE
            self.replica[one.entity_type, one.entity_id] = None if deleted else json.loads(one.data)


async def play(steps: Sequence[str], devices: Sequence[Device]) -> None:
    """Take the steps, each the name of a device and `push` or `pull`; then let all pull to the end."""
    by_name = {device.name: device for device in devices}
    for step in steps:
        name, _, action = step.partition(" ")
        await (by_name[name].push() if action == "push" else by_name[name].pull())
    for device in devices:
        await device.pull_to_end()
