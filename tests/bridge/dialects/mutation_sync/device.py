"""A device that works offline: it queues what its user does, and syncs through the strict client."""

import itertools
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx2

from bridge.dialects.mutation_sync.strict_client import Key, OutOfSync, StrictClient, key_of

MAX_CHAINED_POSTS = 4
PLACES: list[dict[str, Any]] = [{"type": "page", "key": key} for key in range(1, 5)] + [
    {"type": "ayah", "key": 2, "verseNumber": verse} for verse in (1, 2)
]
SIMPLE: dict[str, dict[str, Any]] = {
    "NOTE": {"body": "b", "ranges": ["1:1-1:2"]},
    "COLLECTION": {"name": "c"},
    "READING_SESSION": {"chapterNumber": 1, "verseNumber": 1},
}

Mutation = dict[str, Any]


@dataclass
class Device:
    """Queues mutations and brings them to the server once, whatever answers get lost."""

    name: str
    client: StrictClient
    random: Random
    queue: list[Mutation] = field(default_factory=list)
    acknowledged: int = 0
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def act(self) -> None:
        """Do something a user does."""
        mutation = self.random.choice([self._create, self._create, self._bookmark, self._change, self._link])()
        if mutation is not None:
            self.queue.append(mutation)

    async def sync(self, lose: float = 0.0) -> None:
        """Pull, then push in up to four chained posts; each answer, or request, is lost with a probability."""
        self._settle(await self.client.pull())
        for _ in range(MAX_CHAINED_POSTS):
            if not self.queue:
                return
            batch = self.queue[: self.random.randint(1, 4)]
            try:
                if self.random.random() < lose:
                    await self._push_and_lose(batch)
                    return
                await self.client.push(batch)
            except OutOfSync:
                return
            self._hold_bookmarks_of(batch)
            self.acknowledged += len(batch)
            del self.queue[: len(batch)]
            self._drop_impossible()

    async def _push_and_lose(self, batch: list[Mutation]) -> None:
        """Send, or do not even send, and learn nothing: the queue stays as it is."""
        if self.random.random() < 0.7:
            response: httpx2.Response = await self.client.send(batch)
            assert response.status_code in {200, 409}, response.text

    def _settle(self, pulled: list[Mutation]) -> None:
        """Find own creations, whose answer was lost, among those pulled; drop what others made impossible."""
        created = [_identity(mutation) for mutation in pulled if mutation["type"] == "CREATE"]
        self.queue = [queued for queued in self.queue if queued["type"] != "CREATE" or _identity(queued) not in created]
        self._drop_impossible()

    def _drop_impossible(self) -> None:
        self.queue = [queued for queued in self.queue if self._possible(queued)]

    def _possible(self, queued: Mutation) -> bool:
        held = self.client.held
        if queued["resource"] == "COLLECTION_BOOKMARK" and queued["type"] == "CREATE":
            return ("COLLECTION", queued["data"]["collectionId"]) in held
        return queued["type"] == "CREATE" or key_of(queued) in held

    def _hold_bookmarks_of(self, batch: list[Mutation]) -> None:
        """Take over bookmarks that links by place brought with them: no answer shows them."""
        for mutation in batch:
            if mutation["resource"] == "COLLECTION_BOOKMARK" and "key" in mutation.get("data", {}):
                links = [data for (kind, _), data in self.client.held.items() if kind == "COLLECTION_BOOKMARK"]
                for data in links:
                    if _place(data) == _place(mutation["data"]):
                        place: dict[str, Any] = {
                            name: data[name] for name in ("type", "key", "verseNumber") if name in data
                        }
                        self.client.held.setdefault(("BOOKMARK", data["bookmarkId"]), place)

    def _create(self) -> Mutation:
        resource = self.random.choice(list(SIMPLE))
        tag = f"{self.name}-{next(self._numbers)}"
        return {"type": "CREATE", "resource": resource, "data": {**SIMPLE[resource], "tag": tag}}

    def _bookmark(self) -> Mutation:
        place = self.random.choice(PLACES)
        return {"type": "CREATE", "resource": "BOOKMARK", "data": {**place, "isReading": self.random.random() < 0.5}}

    def _change(self) -> Mutation | None:
        known = self._some_key()
        if known is None:
            return None
        mutation: Mutation = {"resource": known[0], "resourceId": known[1]}
        if self.random.random() < 0.4:
            return {"type": "DELETE", **mutation}
        return {"type": "UPDATE", **mutation, "data": {"edited": f"{self.name}-{next(self._numbers)}"}}

    def _link(self) -> Mutation | None:
        collection, bookmark = self._some_key("COLLECTION"), self._some_key("BOOKMARK")
        if collection is None:
            return None
        by_place = bookmark is None or self.random.random() < 0.5
        named: dict[str, Any] = {"bookmarkId": bookmark[1]} if bookmark else {}
        if by_place:
            named = self.random.choice(PLACES)
        return {"type": "CREATE", "resource": "COLLECTION_BOOKMARK", "data": {"collectionId": collection[1], **named}}

    def _some_key(self, resource: str = "") -> Key | None:
        doomed = {key_of(queued) for queued in self.queue if queued["type"] == "DELETE"}
        keys = sorted(key for key in self.client.held if key not in doomed and resource in ("", key[0]))
        return self.random.choice(keys) if keys else None


def _identity(mutation: Mutation) -> object:
    """Return what a client knows its own creation again by."""
    data = mutation["data"]
    if mutation["resource"] == "BOOKMARK":
        return "BOOKMARK", _place(data)
    if mutation["resource"] == "COLLECTION_BOOKMARK":
        return data["collectionId"], _place(data) if "key" in data else data["bookmarkId"]
    return mutation["resource"], data["tag"]


def _place(data: dict[str, Any]) -> tuple[Any, ...]:
    return data.get("type"), data.get("key"), data.get("verseNumber")
