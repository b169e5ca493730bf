"""A server that draws revisions before its transactions: the mistake that design.md L1 is there to prevent."""

import asyncio
import random
from typing import Any

from syncline_server.store.clock import system_clock_us
from syncline_server.sync.changes import MICROSECONDS_PER_MS, Push, PushOutcome
from syncline_server.sync.circle import at_rest
from syncline_server.sync.push import Pusher
from syncline_server.sync.resolve import PushLimits, resolve
from syncline_server.sync.revision import RevisionAllocator
from syncline_server.sync.store import Store

_SHORT_DELAY_SECONDS = 0.02
_LONG_DELAY_SECONDS = 0.5
"""Longer than any reader that keeps up is behind, so that it is past the revision when that is committed."""
_LONG_SHARE = 0.1


class UnlockedPusher(Pusher):
    """Takes the place of the Pusher; each push has a transaction of its own, several at once."""

    def __init__(self, store: Store, *, limits: PushLimits, **options: Any) -> None:
        super().__init__(store, limits=limits, **options)
        self._delays = random.Random(20260801)
        self._drawn = 0

    def begin(self, push: Push) -> "asyncio.Future[PushOutcome | None]":
        return asyncio.ensure_future(self._push(push))

    async def _push(self, push: Push) -> PushOutcome | None:
        revisions = RevisionAllocator(self._drawn, system_clock_us())
        self._drawn = revisions.first_ms * MICROSECONDS_PER_MS + len(push.changes)
        is_long = self._delays.random() < _LONG_SHARE
        await asyncio.sleep(_LONG_DELAY_SECONDS if is_long else self._delays.uniform(0, _SHORT_DELAY_SECONDS))
        async with self._store.writing() as transaction:
            stored_head = await transaction.lock_head(push.project_id)
            before = await transaction.versions(push.project_id, set(push.entity_keys()), max_inline_bytes=1 << 20)
            resolution = resolve(push, before, 0, revisions, self._limits)
            if resolution.written:
                await transaction.write({push.project_id: resolution.written.values()})
        self._on_commit(push.project_id)
        return PushOutcome(resolution.results, at_rest(stored_head.history, revisions.head), revisions.head)
