"""Load for the system tests: what writers push, decided by a seed alone, and readers that record what they get."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
from grpc import aio

from harness import Client, change
from syncline.v1 import sync_pb2
from syncline_verify.history import Entity, Entry, Reader, RunHistory

END = "end"
"""Type of the entity that is the last change of a user's history."""
LARGEST_BATCH = 40
_SINGLE_SHARE = 0.3
"""The share of batches that have one change only."""
_TOUCHING_SHARE = 0.2
"""The share of changes that touch an entity of a pool, which others may have touched too."""
_POOL = 8
_TYPES = ("todo", "note")
_PAUSE_SECONDS = 0.02
"""Before another try: without it, clients that are refused keep a server from getting up."""
_UNANSWERED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


class Workload:
    """The batches of one writer: new entities that are never touched again, and touches of pools."""

    def __init__(self, seed: int, writer: str, pools: Sequence[str], *, first_ms: int | None = None) -> None:
        """Entities of a pool are `<pool>-<number>`; a writer's own pool bears its name and never meets a conflict.

        Batches are made one each millisecond from `first_ms` on, or (None) at no time that they tell. Where a network
        may deliver a batch again after later ones, only the former keeps the order of the writer's touches.
        """
        self._random = random.Random(f"{seed}/{writer}")
        self._writer = writer
        self._pools = pools
        self._alive: set[str] = set()
        self._at_ms = first_ms
        self.created = 0

    def batch(self) -> list[sync_pb2.Change]:
        self._at_ms = None if self._at_ms is None else self._at_ms + 1
        single = self._random.random() < _SINGLE_SHARE
        size = 1 if single else self._random.randint(1, LARGEST_BATCH)
        return [self._touch() if self._random.random() < _TOUCHING_SHARE else self._create() for _ in range(size)]

    def _create(self) -> sync_pb2.Change:
        self.created += 1
        data = {"by": self._writer, "n": self.created}
        kind = self._random.choice(_TYPES)
        return change("create", f"{self._writer}-new-{self.created}", data, entity_type=kind, at_ms=self._at_ms)

    def _touch(self) -> sync_pb2.Change:
        pool = self._random.choice(self._pools)
        number = self._random.randrange(_POOL)
        entity_id = f"{pool}-{number}"
        action = self._random.choices(("create", "update", "delete"), (2, 6, 2))[0]
        if pool == self._writer:
            # An update of a tombstone is a conflict by rule, and nobody else revives this one.
            action = "create" if action == "update" and entity_id not in self._alive else action
            (self._alive.discard if action == "delete" else self._alive.add)(entity_id)
        data = {self._writer: self._random.randrange(1000)}
        return change(action, entity_id, data, entity_type=_TYPES[number % 2], at_ms=self._at_ms)


def once_in(user: str, batch: Sequence[sync_pb2.Change]) -> set[Entity]:
    """Return the entities of a batch that are never touched again."""
    return {Entity(user, one.entity_type, one.entity_id) for one in batch if "-new-" in one.entity_id}


@dataclass
class Answers:
    """What became of pushes that were sent until they were answered."""

    conflicts: list[sync_pb2.PushResult] = field(default_factory=list)
    retried: int = 0
    replayed: int = 0
    """Changes that a retry found applied."""


async def push_until_answered(client: Client, request: sync_pb2.PushRequest, answers: Answers) -> sync_pb2.PushResponse:
    """Send the same bytes again for as long as there is no answer."""
    while True:
        try:
            answer = await client.stub.Push(request, metadata=client.metadata, timeout=10, wait_for_ready=True)
        except aio.AioRpcError as error:
            await _pause_if_unanswered(error)
            answers.retried += 1
            continue
        answers.conflicts += [one for one in answer.results if one.outcome == sync_pb2.OUTCOME_CONFLICT]
        answers.replayed += sum(one.replayed for one in answer.results)
        return answer


async def end_history(client: Client, history: RunHistory, user: str) -> None:
    """Push the last change of a user, which tells its readers to stop."""
    last = change("create", "end", {}, entity_type=END)
    answer = await push_until_answered(client, sync_pb2.PushRequest(changes=[last]), Answers())
    acknowledge(history, user, [last], answer)


async def page_to_end(client: Client, reader: Reader, page_size: int) -> None:
    """Poll from token to token, without a pause, until the user's last change; goes on after lost connections."""
    request = sync_pb2.PullRequest(entity_types=reader.types, page_size=page_size)
    while True:
        try:
            page = await client.stub.Pull(request, metadata=client.metadata, timeout=10, wait_for_ready=True)
        except aio.AioRpcError as error:
            await _pause_if_unanswered(error)
            continue
        if _record(reader, page, {reader.user or ""}):
            return
        request.checkpoint_token = page.checkpoint_token


async def stream_to_end(client: Client, reader: Reader, users: Sequence[str]) -> None:
    """Follow a stream until the last change of every one of these users; goes on after lost connections."""
    left = set(users)
    request = sync_pb2.StreamPullRequest(entity_types=reader.types, follow=True, all_users=reader.user is None)
    while True:
        call = client.stub.StreamPull(request, metadata=client.metadata, wait_for_ready=True)
        try:
            async for message in call:
                request.checkpoint_token = message.checkpoint_token
                left -= _record(reader, message, left)
                if not left:
                    return
        except aio.AioRpcError as error:
            await _pause_if_unanswered(error)
        finally:
            call.cancel()


async def read_from(client: Client, reader: Reader, token: str) -> Reader:
    """Read what is there after a token, as this reader would."""
    rest = Reader(f"{reader.name} again", reader.user, reader.types)
    if reader.user is None:
        async for message in client.stream(*reader.types, checkpoint_token=token, all_users=True):
            _record(rest, message, set())
        return rest
    for one in await client.pull_all(*reader.types, token=token, page_size=1000):
        rest.entries.append(entry_of(one.user_id, one, one.data))
    return rest


def _record(reader: Reader, page: sync_pb2.PullResponse | sync_pb2.StreamPullResponse, users: set[str]) -> set[str]:
    """Take in what came; returns those of the users whose last change was in it."""
    complete = not page.has_more if isinstance(page, sync_pb2.PullResponse) else page.caught_up
    entries = [entry_of(one.user_id, one, one.data) for one in page.changes]
    reader.take(entries, page.checkpoint_token, complete=complete)
    return {one.user_id for one in page.changes if one.entity_type == END and one.user_id in users}


async def _pause_if_unanswered(error: aio.AioRpcError) -> None:
    if error.code() not in _UNANSWERED:
        raise error
    await asyncio.sleep(_PAUSE_SECONDS)


def acknowledge(
    history: RunHistory, user: str, batch: Sequence[sync_pb2.Change], answer: sync_pb2.PushResponse
) -> None:
    """Record the answer to a batch; conflicts and deletes of unknown entities are no part of the log."""
    assert len(answer.results) == len(batch)
    history.acknowledge(
        entry_of(user, result.change, result.change.data or one.data)
        for one, result in zip(batch, answer.results, strict=True)
        if result.outcome == sync_pb2.OUTCOME_APPLIED and result.change.revision
    )
    history.once |= once_in(user, batch)


def entry_of(user: str, one: sync_pb2.Change, data: bytes) -> Entry:
    deleted = one.action == sync_pb2.ACTION_DELETE
    return Entry(Entity(user, one.entity_type, one.entity_id), one.revision, None if deleted else data)
