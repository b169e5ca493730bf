"""Devices of mutation sync: optimistic concurrency against the head, and pages by cursor or by number."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from apps.book import APPLIED, Book, Problem, Sent
from apps.clocks import WALL
from bridge.dialects.mutation_sync.device import SIMPLE, Device
from bridge.dialects.mutation_sync.strict_client import (
    PATH,
    RESOURCES,
    OutOfSync,
    ProtocolViolation,
    StrictClient,
    key_of,
)

_MOST_PAGES = 60
_MOST_ACTS = 3
_CALLS_TOLD = 16
_US_PER_MS = 1000


@dataclass
class BookedClient(StrictClient):
    """The strict client, which writes down what it sends and what it is told."""

    name: str = ""
    book: Book = field(default_factory=Book)
    calls: deque[str] = field(default_factory=lambda: deque(maxlen=_CALLS_TOLD))
    _listens: bool = False

    async def pull(self) -> list[dict[str, Any]]:
        since = self.head
        pulled = await self._pages()
        self.calls.append(f"pulls from {since}: {len(pulled)}, head {self.head}")
        # A device looks for its own creations among them, by their tags; others' may have none.
        return [one for one in pulled if one["resource"] not in SIMPLE or "tag" in one["data"]]

    async def push(self, mutations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        sent = [self.book.write(self._sent(one)) for one in mutations]
        spelled = ", ".join(f"{one['type']} {one['resource']} {one.get('resourceId', '')}" for one in mutations)
        self._listens = True
        try:
            answers = await super().push(mutations)
        except OutOfSync:
            self.calls.append(f"pushes [{spelled}] at {self.head}: out of sync")
            self._never(sent)
            raise
        finally:
            self._listens = False
        self.calls.append(f"pushes [{spelled}]: head {self.head}")
        for one, answer in zip(sent, answers, strict=True):
            one.entity = key_of(answer)
            one.answered_at, one.outcome = WALL.now(), APPLIED
            one.revision = answer["timestamp"] * _US_PER_MS
        return answers

    async def send(self, mutations: Sequence[dict[str, Any]]) -> httpx2.Response:
        """Post; a device that calls this itself loses the answer, so what it sends may be there, or not."""
        if not self._listens:
            self.calls.append(f"pushes {len(mutations)} at {self.head}: answer lost")
            for one in mutations:
                self.book.write(self._sent(one))
        return await super().send(mutations)

    def _never(self, sent: Sequence[Sent]) -> None:
        kept = {id(one) for one in sent}
        self.book.sent = [one for one in self.book.sent if id(one) not in kept]

    def _sent(self, one: dict[str, Any]) -> Sent:
        entity = (one["resource"], one.get("resourceId", ""))
        action = one["type"].lower()
        return Sent(self.name, self.name, entity, action, one.get("data", {}), None, None, False, False)

    async def _pages(self) -> list[dict[str, Any]]:
        return await super().pull()


@dataclass
class NumberingClient(BookedClient):
    """Asks for pages by number, and takes the head from the first or the last of them."""

    takes_last: bool = True

    async def _pages(self) -> list[dict[str, Any]]:
        since, pulled, heads = self.head, [], []
        for number in range(1, _MOST_PAGES):
            query = {
                "mutationsSince": str(since),
                "limit": str(self.page_size),
                "resources": ",".join(RESOURCES),
                "page": str(number),
            }
            page = self._page(await self.http.get(PATH, params=query, headers=self.headers), 200)
            pulled += page["mutations"]
            heads.append(page["lastMutationAt"])
            if not page["hasMore"]:
                break
        for one in pulled:
            self._take(one)
        self.head = heads[-1 if self.takes_last else 0]
        return pulled


@dataclass
class MutationApp:
    """One device: its user does things offline, it syncs, and answers get lost."""

    device: Device
    client: BookedClient
    loses: float

    @property
    def name(self) -> str:
        return self.device.name

    async def step(self) -> None:
        for _ in range(self.device.random.randint(0, _MOST_ACTS)):
            self.device.act()
        await self.sync(self.loses)

    async def sync(self, loses: float = 0.0) -> None:
        queued = list(self.device.queue)
        try:
            await self.device.sync(loses)
        except ProtocolViolation as why:
            self.report("protocol", f"{why}; it had queued {queued}")
            self.device.queue.clear()

    def report(self, kind: str, what: str) -> None:
        self.client.book.problems.append(Problem(kind, self.name, what, tuple(self.client.calls)))

    def differences(self, fresh: StrictClient) -> list[str]:
        held, wanted = self.client.held, fresh.held
        keys = held.keys() | wanted.keys()
        return [
            f"has {key} as {held.get(key)}, not {wanted.get(key)}" for key in keys if held.get(key) != wanted.get(key)
        ]
