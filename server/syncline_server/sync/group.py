"""What one transaction does: reads what its pushes need, decides each in order, and writes what came of them (L4)."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from syncline_server.sync.changes import MICROSECONDS_PER_MS, Push, PushOutcome, Version
from syncline_server.sync.circle import Checkpoint, after_push, at_rest, begin, expired, kinds_of, read_up_to
from syncline_server.sync.errors import AnswerTooLarge, HeadMismatch, SyncError
from syncline_server.sync.heads import UserHeads
from syncline_server.sync.history import History
from syncline_server.sync.resolve import PushLimits, Resolution, check_answer_size, needed_data, resolve
from syncline_server.sync.retries import Recalled, recall, remember, sweeps
from syncline_server.sync.revision import RevisionAllocator
from syncline_server.sync.shown import (
    EVERYTHING,
    Presented,
    SessionPositions,
    is_in_full,
    needs_stored_position,
    news_before,
    position_for_answer,
    shown_by_push,
)
from syncline_server.sync.store import LockedHead, News, NewsQuery, RememberedPush, Store, WriteTransaction

_MAX_CLOCK_WAIT_MS: Final = 10
"""A head ahead of the clock by less is waited for; by more, the clock has stepped back."""
_MAX_INLINE_BYTES: Final = 16 * 1024
"""Stored data larger than this is read only where it is needed."""
_NO_NEWS: Final = News(0, False)
"""Stands for the news before an item that is no push: nobody asks for it."""

Item = Push | Presented
Answer = PushOutcome | SyncError | None
"""What became of an item: a refused push has its error, a presented position nothing."""


class GroupCommit:
    """Applies one group in one transaction."""

    def __init__(
        self,
        store: Store,
        limits: PushLimits,
        on_clock_lag: Callable[[int], None],
        on_clock: Callable[[int], None],
    ) -> None:
        self._store = store
        self._limits = limits
        self._on_clock_lag = on_clock_lag
        self._on_clock = on_clock

    async def apply(self, project_id: int, items: Sequence[Item]) -> tuple[list[Answer], bool]:
        """Return what became of each item, and whether the commit brought something that readers wait for."""
        async with self._store.writing() as transaction:
            head = await transaction.lock_head(project_id)
            self._on_clock(head.clock_us)
            head = await self._wait_for_clock(head)
            state = await _read(transaction, head, project_id, items)
            # No time of an epoch is before its start: a reader who has it would pass for one of a lost history.
            revisions = RevisionAllocator(head.revision, head.clock_us, head.history.starts_us[-1])
            answers: list[Answer] = []
            for item, stored in zip(items, state.stored_news, strict=True):
                if isinstance(item, Push):
                    answers.append(await self._answer(transaction, item, stored, state, revisions))
                else:
                    # Once more, over what earlier pushes of the group have moved.
                    state.positions.present(item)
                    answers.append(None)
            await _keep_pace(revisions)
            await _write(transaction, project_id, state)
        return _with_heads(items, answers, state.heads), bool(state.written)

    async def _wait_for_clock(self, head: LockedHead) -> LockedHead:
        """Wait while the head is ahead of the clock by little; report a clock that has stepped back far (L2)."""
        ahead_ms = head.revision // MICROSECONDS_PER_MS + 1 - head.clock_us // MICROSECONDS_PER_MS
        if 0 < ahead_ms <= _MAX_CLOCK_WAIT_MS:
            await asyncio.sleep(ahead_ms / 1000)
            return replace(head, clock_us=head.clock_us + ahead_ms * MICROSECONDS_PER_MS)
        self._on_clock_lag(max(ahead_ms, 0))
        return head

    async def _answer(
        self,
        transaction: WriteTransaction,
        push: Push,
        stored: News,
        state: "_GroupState",
        revisions: RevisionAllocator,
    ) -> PushOutcome | SyncError:
        """Decide one push, or answer it again; a refused one answers alone."""
        mark = revisions.mark(push.user_id)
        try:
            recalled = recall(push, state.remembered.get(push.push_key), state.clock_us) if push.push_id else None
            if recalled is not None:
                return await self._answer_again(transaction, push, stored, state, recalled)
            return await self._decide(transaction, push, stored, state, revisions)
        except SyncError as error:
            revisions.rewind(mark)
            return error

    async def _decide(
        self,
        transaction: WriteTransaction,
        push: Push,
        stored: News,
        state: "_GroupState",
        revisions: RevisionAllocator,
    ) -> PushOutcome:
        shown = state.positions.of_push(push)
        news = state.news_before(push, shown, stored)
        if push.expected_head_ms is not None:
            # A client that names the head has read up to it.
            shown = _check_head(push.expected_head_ms, news)
        if state.lacks_data:
            needed = needed_data(push, state.versions, revisions.committed_ms)
            await self._load_large_data(transaction, push, state.versions, needed)
        resolution = resolve(push, state.versions, shown, revisions, self._limits)
        return state.accept(push, resolution, shown, news, revisions)

    async def _answer_again(
        self, transaction: WriteTransaction, push: Push, stored: News, state: "_GroupState", recalled: Recalled
    ) -> PushOutcome:
        """Answer the retry of a push that is remembered; nothing is written (Q5)."""
        if state.lacks_data:
            needed = recalled.needed_data(push, state.versions)
            await self._load_large_data(transaction, push, state.versions, needed)
        results = recalled.results(push, state.versions)
        check_answer_size(results, self._limits)
        if push.expected_head_ms is not None:
            # Its client has read up to the head that it named, and of what came since only this push.
            return PushOutcome(results, at_rest(state.history, recalled.head), recalled.head)
        shown = state.positions.of_push(push)
        news = state.news_before(push, shown, stored)
        checkpoint = state.checkpoint(push, Resolution(results), shown, news, news.head)
        return PushOutcome(results, checkpoint, news.head)

    async def _load_large_data(
        self, transaction: WriteTransaction, push: Push, versions: dict[str, Version], wanted: Iterable[Version]
    ) -> None:
        sizes = {version.key: version.size_bytes for version in wanted}
        if not sizes:
            return
        if sum(sizes.values()) > self._limits.max_answer_bytes:
            raise AnswerTooLarge(self._limits.max_answer_bytes)
        for key, data in (await transaction.large_data(push.project_id, sizes)).items():
            versions[key] = versions[key]._replace(data=data)


@dataclass(slots=True)
class _GroupState:
    """What a group has read, and what its pushes so far have made of it."""

    history: History
    clock_us: int
    positions: SessionPositions
    stored_news: list[News]
    """For each item, what the store has that is news at the position shown before the group."""
    versions: dict[str, Version]
    lacks_data: bool
    """Data of some of these versions was left out."""
    remembered: dict[str, RememberedPush]
    """What is remembered of pushes, by their keys."""
    to_remember: dict[str, RememberedPush] = field(default_factory=dict)
    written: dict[str, Version] = field(default_factory=dict)
    written_for: dict[str, list[Version]] = field(default_factory=dict)
    """What the pushes have written so far, by user."""
    heads: UserHeads = field(default_factory=UserHeads)

    def news_before(self, push: Push, shown: int, stored: News) -> News:
        """Return what is news to the pusher, the group's earlier pushes included."""
        earlier = self.written_for.get(push.user_id, ())
        return news_before(push, shown, stored, earlier, self.heads.of(push.user_id, stored.head))

    def accept(
        self, push: Push, resolution: Resolution, shown: int, news: News, revisions: RevisionAllocator
    ) -> PushOutcome:
        """Take in a decided push and return its outcome."""
        written, head = resolution.written, resolution.head or news.head
        checkpoint = self.checkpoint(push, resolution, shown, news, head)
        if written:
            self.versions.update(written)
            self.written.update(written)
            self.written_for.setdefault(push.user_id, []).extend(written.values())
            self.heads.move(push.user_id, news.head, min([one.revision for one in written.values()]), head)
        if push.push_id:
            # Where the clock was set back, the log's head keeps those of a device in order.
            kept = remember(push, resolution.results, head, max(self.clock_us, revisions.head))
            self.remembered[kept.key] = self.to_remember[kept.key] = kept
        return PushOutcome(resolution.results, checkpoint, head)

    def checkpoint(self, push: Push, resolution: Resolution, shown: int, news: News, head: int) -> Checkpoint:
        """Return what the pusher has, `head` being the user's head after the push (P9)."""
        if push.expected_head_ms is not None:
            return at_rest(self.history, head)
        asked = shown_by_push(push)
        if asked is None:
            return self._checkpoint_of_session(push, resolution, shown, news, head)
        if self.positions.is_lost(asked):
            return expired(asked, head)
        in_full = is_in_full(push, asked, resolution.results, self.versions, resolution.written)
        return after_push(asked, self.history, news.head, head, in_full=in_full)

    def _checkpoint_of_session(
        self, push: Push, resolution: Resolution, shown: int, news: News, head: int
    ) -> Checkpoint:
        if not push.device_known:
            return self._checkpoint_of_nobody(push, news.head, head)
        position, goes_on = position_for_answer(shown, news, resolution.written.values(), head)
        if goes_on:
            self.positions.answered(push, position)
        return read_up_to(position, self.history, max(position, head), kinds_of(push.entity_types()))

    def _checkpoint_of_nobody(self, push: Push, before: int, head: int) -> Checkpoint:
        """Return what the pusher has where nobody can tell: it gets all again.

        What others have written since its session was last answered comes first; without any, the session moves on.
        """
        high = self.positions.high(push, before)
        if before > high:
            return begin(self.history, high, head)
        self.positions.answered(push, head)
        return begin(self.history, head, head)


async def _read(transaction: WriteTransaction, head: LockedHead, project_id: int, items: Sequence[Item]) -> _GroupState:
    """Read what the items of a group need, in one statement a kind."""
    pushes = [item for item in items if isinstance(item, Push)]
    sessions = {push.session_key for push in pushes if needs_stored_position(push)}
    sessions.update([item.session_key for item in items if isinstance(item, Presented)])
    stored = await transaction.positions(project_id, sessions) if sessions else {}
    positions = SessionPositions(head.history, head.revision, stored)
    stored_news = await _read_news(transaction, project_id, items, positions)
    versions: dict[str, Version] = {}
    if pushes:
        keys = {key for push in pushes for key in push.entity_keys()}
        versions = await transaction.versions(project_id, keys, max_inline_bytes=_MAX_INLINE_BYTES)
    lacks_data = any(version.data is None for version in versions.values())
    named = {push.push_key for push in pushes if push.push_id}
    remembered = await transaction.remembered(project_id, named) if named else {}
    return _GroupState(head.history, head.clock_us, positions, stored_news, versions, lacks_data, remembered)


async def _read_news(
    transaction: WriteTransaction, project_id: int, items: Sequence[Item], positions: SessionPositions
) -> list[News]:
    """Return what is news to each item's session at the position it has shown, but for what the group's pushes move."""
    queries: list[NewsQuery | None] = []
    for item in items:
        if isinstance(item, Presented):
            positions.present(item)
            queries.append(None)
        else:
            asks = item.device_known and needs_stored_position(item)
            after = positions.of_push(item) if asks else EVERYTHING
            queries.append(NewsQuery(item.user_id, item.session, after))
    asked = {query for query in queries if query is not None}
    found = await transaction.news(project_id, asked) if asked else {}
    return [_NO_NEWS if query is None else found[query] for query in queries]


async def _keep_pace(revisions: RevisionAllocator) -> None:
    """Take as long as the milliseconds that are added to a log ahead of the clock, so that it never runs away (L2)."""
    added_ms = revisions.added_ms()
    if added_ms and revisions.first_ms > revisions.committed_ms:
        await asyncio.sleep(added_ms / 1000)


async def _write(transaction: WriteTransaction, project_id: int, state: _GroupState) -> None:
    if state.written:
        await transaction.write(project_id, state.written.values())
    if state.positions.moved:
        await transaction.save_positions(project_id, state.positions.moved)
    if state.to_remember:
        await transaction.remember(project_id, state.to_remember.values())
        swept = {(one.user_id, one.device) for one in state.to_remember.values() if sweeps(one)}
        if swept:
            await transaction.forget(project_id, swept, state.clock_us)


def _check_head(expected_head_ms: int, news: News) -> int:
    """Return the user's head if it is the expected one (P7)."""
    if expected_head_ms != news.head // MICROSECONDS_PER_MS:
        raise HeadMismatch(news.head)
    return news.head


def _with_heads(items: Sequence[Item], answers: Sequence[Answer], heads: UserHeads) -> list[Answer]:
    """Return the answers with the heads that they may tell, now that all of the group is decided."""
    return [_with_head(item.user_id, answer, heads) for item, answer in zip(items, answers, strict=True)]


def _with_head(user_id: str, answer: Answer, heads: UserHeads) -> Answer:
    if isinstance(answer, PushOutcome):
        return answer._replace(head_revision=heads.told(user_id, answer.head_revision))
    if isinstance(answer, HeadMismatch):
        return HeadMismatch(heads.told(user_id, answer.head_revision))
    return answer
