"""The rules of sync over a real database, without a socket: pushes and pulls as values."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from syncline_server.rpc.codec import LAYOUT
from syncline_server.store import schema
from syncline_server.store.catalogue import project_named
from syncline_server.store.engine import Engines
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.registry import SqlRegistry
from syncline_server.sync.changes import Change, Push, PushOutcome
from syncline_server.sync.checkpoint import CheckpointCodec
from syncline_server.sync.circle import FROM_START, Checkpoint, at_rest, kinds_of
from syncline_server.sync.keys import entity_key, session_key
from syncline_server.sync.pull import Puller
from syncline_server.sync.push import Pusher
from syncline_server.sync.reading import Page, PageSize, Reading
from syncline_server.sync.resolve import PushLimits
from syncline_server.sync.store import PageQuery
from values import PHONE


class Clock:
    """A clock that stands still until it is set; µs since the Unix epoch."""

    def __init__(self) -> None:
        self.us = 1_800_000_000_000_000

    def __call__(self) -> int:
        return self.us


class Rules:
    """A pusher and a puller of one project, and what they told of."""

    def __init__(self, engines: Engines, project: int, checkpoints: CheckpointCodec) -> None:
        self.clock = Clock()
        self.commits: list[int] = []
        """The project of each commit."""
        self.behind_ms: list[int] = []
        self.store = engines.open_store(LAYOUT, self.clock)
        self.engines = engines
        self.project = project
        self.checkpoints = checkpoints
        self.pusher = Pusher(
            self.store,
            limits=PushLimits(),
            on_commit=self.commits.append,
            on_clock_lag=self.behind_ms.append,
            on_clock=lambda _: None,
        )
        self.again: list[int] = []
        """How many versions each page of a circle has brought again."""
        self.puller = Puller(self.store, self.pusher, self.again.append)

    async def push(self, *changes: Change, user: str = "ada", session: str = PHONE, **fields: Any) -> PushOutcome:
        """Push changes, whose keys are made for the project and the user."""
        keyed = [one._replace(key=entity_key(self.project, user, one.entity_type, one.entity_id)) for one in changes]
        device_known = session.startswith("device:")
        return await self.pusher.push(Push(self.project, user, session, device_known, tuple(keyed), **fields))

    async def checkpoint(self, revision: int) -> Checkpoint:
        """Return the checkpoint of a reader that has everything up to a revision of the history in force."""
        query = PageQuery(self.project, None, (), after_revision=0, limit=0, max_bytes=0)
        return at_rest((await self.store.page(query)).history, revision)

    async def pull(
        self,
        *types: str,
        at: int | Checkpoint = FROM_START,
        after_revision: int | None = None,
        user: str = "ada",
        session: str = PHONE,
        limit: int = 100,
        max_bytes: int = 1_000_000,
        skip: int = 0,
        include_total: bool = False,
        **fields: Any,
    ) -> Page:
        """Read a page as a session that presents a checkpoint, all up to `at`, a plain revision, or nothing."""
        if isinstance(at, int):
            at = await self.checkpoint(at)
        if after_revision is not None:
            at = FROM_START._replace(revision=after_revision)
        reading = Reading(
            self.project,
            user,
            session_key(self.project, user, session),
            types,
            at,
            is_plain=after_revision is not None,
            device_known=session.startswith("device:"),
            kinds=kinds_of(types),
            **fields,
        )
        return await self.puller.pull(reading, PageSize(limit, max_bytes, skip, include_total))


@asynccontextmanager
async def rules_on(engines: Engines, name: str) -> AsyncIterator[Rules]:
    await SqlRegistry(engines).create(name)
    project = await project_named(EngineCatalogue(engines), name)
    rules = Rules(engines, project.id, await schema.open_checkpoints(engines))
    try:
        yield rules
    finally:
        async with asyncio.timeout(10):
            await rules.pusher.close()
