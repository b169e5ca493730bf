"""Services that follow the log and store what they get, a batch and its token at once; they can be killed anywhere."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from syncline.v1 import sync_pb2
from syncline_client import Action, Batch, Change, NewChange, Pushed, SyncClient
from syncline_verify.history import Entity, Entry, Mark, Reader, RunHistory
from system.load import END, once_in

_ACTIONS = {
    sync_pb2.ACTION_CREATE: Action.CREATE,
    sync_pb2.ACTION_UPDATE: Action.UPDATE,
    sync_pb2.ACTION_DELETE: Action.DELETE,
}


class _Killed(Exception):
    """It got a batch that it never stored."""


@dataclass
class Mirror:
    """One such service, over all its lives."""

    reader: Reader
    """What it has stored."""
    connect: Callable[[], SyncClient]
    """Called at the begin of each life."""
    users: Sequence[str]
    """It is done when it has the last change of all of these."""
    token: str | None = None
    doomed: bool = False
    """It dies of the next batch with changes, before it has stored it."""
    lives: int = 0
    ended: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Live, again and again, until it has everything."""
        while not self.ended.issuperset(self.users):
            self._life = asyncio.create_task(self._live())
            self.lives += 1
            try:
                await asyncio.wait([self._life])
            finally:
                self._life.cancel()
            if not self._life.cancelled() and not isinstance(self._life.exception(), _Killed):
                self._life.result()

    def kill(self) -> None:
        """End this life wherever it is."""
        self._life.cancel()

    async def _live(self) -> None:
        scope = {"all_users": True} if self.reader.user is None else {"user_id": self.reader.user}
        async with (
            self.connect() as client,
            aclosing(client.follow(self.reader.types, checkpoint_token=self.token, **scope)) as batches,
        ):
            async for batch in batches:
                self._store(batch)
                if self.ended.issuperset(self.users):
                    return

    def _store(self, batch: Batch) -> None:
        if self.doomed and batch.changes:
            self.doomed = False
            raise _Killed
        self.reader.take(map(entry_of, batch.changes), batch.checkpoint_token, complete=batch.caught_up)
        self.ended |= {change.user_id for change in batch.changes if change.entity_type == END}
        self.token = batch.checkpoint_token


async def read_again(client: SyncClient, reader: Reader, mark: Mark) -> list[Entry]:
    """Read what is there after a token, once more, as this reader would."""
    again = Mirror(Reader(reader.name, reader.user, reader.types), lambda: client, ())
    scope = {"all_users": True} if reader.user is None else {"user_id": reader.user}
    async for batch in client.follow(reader.types, checkpoint_token=mark.token, until_caught_up=True, **scope):
        again._store(batch)
    return again.reader.entries


async def push(client: SyncClient, history: RunHistory, user: str, batch: Sequence[sync_pb2.Change]) -> None:
    """Push a batch of a workload, for as long as it takes, and record what became of it."""
    changes = [NewChange(one.entity_type, one.entity_id, _ACTIONS[one.action], one.data) for one in batch]
    acknowledge(history, user, changes, await client.push(changes, user_id=user))
    history.once |= once_in(user, batch)


def acknowledge(history: RunHistory, user: str, changes: Sequence[NewChange], pushed: Pushed) -> None:
    assert not pushed.conflicts
    history.acknowledge(
        entry_of(replace(result.change, user_id=user, data=result.change.data or change.data or b"{}"))
        for change, result in zip(changes, pushed.results, strict=True)
        if result.change.revision
    )


def entry_of(change: Change) -> Entry:
    entity = Entity(change.user_id, change.entity_type, change.entity_id)
    return Entry(entity, change.revision, None if change.action is Action.DELETE else change.data)


async def end(client: SyncClient, history: RunHistory, users: Sequence[str]) -> None:
    """Push the last change of every user, which tells mirrors to stop."""
    for user in users:
        last = [NewChange(END, "end", Action.CREATE, b"{}")]
        acknowledge(history, user, last, await client.push(last, user_id=user))
