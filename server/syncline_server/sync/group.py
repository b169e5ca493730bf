"""What one transaction does: reads what its pushes need, decides each in order, and writes what came of them (L4).

It may be of several projects: then each statement is, since a statement costs more than what it does for one of them.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from syncline_server.sync.changes import MICROSECONDS_PER_MS, Push, PushOutcome, Version
from syncline_server.sync.circle import at_rest
from syncline_server.sync.errors import AnswerTooLarge, HeadMismatch, SyncError
from syncline_server.sync.group_state import GroupState
from syncline_server.sync.heads import UserHeads
from syncline_server.sync.notes import Notes
from syncline_server.sync.resolve import PushLimits, Resolution, check_answer_size, needed_data, resolve
from syncline_server.sync.retries import Recalled, recall, sweeps
from syncline_server.sync.revision import RevisionAllocator
from syncline_server.sync.shown import (
    EVERYTHING,
    Presented,
    SessionPositions,
    needs_stored_position,
)
from syncline_server.sync.store import LockedHead, News, NewsQuery, Store, WriteTransaction

_MAX_CLOCK_WAIT_MS: Final = 10
"""A head ahead of the clock by less is waited for; by more, the clock has stepped back."""
_MAX_INLINE_BYTES: Final = 16 * 1024
"""Stored data larger than this is read only where it is needed."""
_NO_NEWS: Final = News(0, False)
"""Stands for the news before an item that is no push: nobody asks for it."""

Item = Push | Presented
Answer = PushOutcome | SyncError | None
"""What became of an item: a refused push has its error, a presented position nothing."""


class Applied(NamedTuple):
    """What became of the items of a project."""

    answers: list[Answer]
    """In their order."""
    committed: bool
    """The commit brought something that readers wait for."""


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

    async def apply(self, groups: Mapping[int, Sequence[Item]], *, wait: bool) -> dict[int, Applied]:
        """Apply what waits of projects; returns what became of it, by project.

        Without `wait`, projects whose heads somebody else has locked are left out.
        """
        async with self._store.writing() as transaction:
            heads = await self._lock(transaction, groups, wait=wait)
            if not heads:
                return {}
            self._on_clock(next(iter(heads.values())).clock_us)
            heads = await self._wait_for_clock(heads)
            parts = {project_id: groups[project_id] for project_id in heads}
            states = await _read(transaction, heads, parts)
            answers = {
                project_id: await self._answers(transaction, items, states[project_id])
                for project_id, items in parts.items()
            }
            await _keep_pace(states.values())
            await _write(transaction, states)
        return {
            project_id: Applied(_with_heads(groups[project_id], answers[project_id], state.heads), bool(state.written))
            for project_id, state in states.items()
        }

    async def _lock(
        self, transaction: WriteTransaction, groups: Mapping[int, Sequence[Item]], *, wait: bool
    ) -> dict[int, LockedHead]:
        return await transaction.lock_heads(groups, wait=wait)

    async def _wait_for_clock(self, heads: dict[int, LockedHead]) -> dict[int, LockedHead]:
        """Wait while a head is ahead of the clock by little; report a clock that has stepped back far (L2)."""
        ahead_ms = {
            project_id: head.revision // MICROSECONDS_PER_MS + 1 - head.clock_us // MICROSECONDS_PER_MS
            for project_id, head in heads.items()
        }
        waited_for = {project_id: ms for project_id, ms in ahead_ms.items() if 0 < ms <= _MAX_CLOCK_WAIT_MS}
        if waited_for:
            await asyncio.sleep(max(waited_for.values()) / 1000)
        if len(waited_for) < len(heads):
            self._on_clock_lag(max([ms for ms in ahead_ms.values() if ms > _MAX_CLOCK_WAIT_MS], default=0))
        return {
            project_id: replace(head, clock_us=head.clock_us + waited_for.get(project_id, 0) * MICROSECONDS_PER_MS)
            for project_id, head in heads.items()
        }

    async def _answers(self, transaction: WriteTransaction, items: Sequence[Item], state: GroupState) -> list[Answer]:
        """Decide what waits of a project, each item after the one before."""
        answers: list[Answer] = []
        for item, stored in zip(items, state.stored_news, strict=True):
            if isinstance(item, Push):
                answers.append(await self._answer(transaction, item, stored, state))
            else:
                # Once more, over what earlier pushes of the group have moved.
                state.positions.present(item)
                answers.append(None)
        return answers

    async def _answer(
        self, transaction: WriteTransaction, push: Push, stored: News, state: GroupState
    ) -> PushOutcome | SyncError:
        """Decide one push, or answer it again; a refused one answers alone."""
        mark = state.revisions.mark(push.user_id)
        try:
            recalled = recall(push, state.remembered.get(push.push_key), state.clock_us) if push.push_id else None
            if recalled is not None:
                return await self._answer_again(transaction, push, stored, state, recalled)
            return await self._decide(transaction, push, stored, state)
        except SyncError as error:
            state.revisions.rewind(mark)
            return error

    async def _decide(self, transaction: WriteTransaction, push: Push, stored: News, state: GroupState) -> PushOutcome:
        shown = state.positions.of_push(push)
        news = state.news_before(push, shown, stored)
        if push.expected_head_ms is not None:
            # A client that names the head has read up to it.
            shown = _check_head(push.expected_head_ms, news)
        if state.lacks_data:
            needed = needed_data(push, state.versions, state.revisions.committed_ms)
            await self._load_large_data(transaction, push, state.versions, needed)
        resolution = resolve(push, state.versions, shown, state.revisions, self._limits, state.notes)
        return state.accept(push, resolution, shown, news)

    async def _answer_again(
        self, transaction: WriteTransaction, push: Push, stored: News, state: GroupState, recalled: Recalled
    ) -> PushOutcome:
        """Answer the retry of a push that is remembered; nothing is written (Q5)."""
        if state.lacks_data:
            needed = recalled.needed_data(push, state.versions)
            await self._load_large_data(transaction, push, state.versions, needed)
        results = recalled.results(push, state.versions, state.notes)
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


async def _read(
    transaction: WriteTransaction, heads: Mapping[int, LockedHead], groups: Mapping[int, Sequence[Item]]
) -> dict[int, GroupState]:
    """Read what the items of a group need, in one statement a kind."""
    items = [item for of_project in groups.values() for item in of_project]
    pushes = [item for item in items if isinstance(item, Push)]
    project_id = next(iter(groups)) if len(groups) == 1 else None
    sessions = {push.session_key for push in pushes if needs_stored_position(push)}
    sessions.update([item.session_key for item in items if isinstance(item, Presented)])
    stored = await transaction.positions(project_id, sessions) if sessions else {}
    positions = {one: SessionPositions(head.history, head.revision, stored) for one, head in heads.items()}
    stored_news = await _read_news(transaction, groups, positions)
    versions: dict[str, Version] = {}
    if pushes:
        keys = {key for push in pushes for key in push.entity_keys()}
        versions = await transaction.versions(project_id, keys, max_inline_bytes=_MAX_INLINE_BYTES)
    lacks_data = any(version.data is None for version in versions.values())
    named = {push.push_key for push in pushes if push.push_id}
    remembered = await transaction.remembered(project_id, named) if named else {}
    noted = {note.key for push in pushes for note in push.all_notes()}
    notes = await transaction.notes(project_id, noted) if noted else {}
    return {
        one: GroupState(
            head.history,
            head.clock_us,
            # No time of an epoch is before its start: a reader who has it would pass for one of a lost history.
            RevisionAllocator(head.revision, head.clock_us, head.history.starts_us[-1]),
            positions[one],
            stored_news[one],
            versions,
            lacks_data,
            remembered,
            Notes(notes, head.clock_us // MICROSECONDS_PER_MS),
        )
        for one, head in heads.items()
    }


async def _read_news(
    transaction: WriteTransaction, groups: Mapping[int, Sequence[Item]], positions: Mapping[int, SessionPositions]
) -> dict[int, list[News]]:
    """Return what is news to each item's session at the position it has shown, but for what the group's pushes move."""
    queries: dict[int, list[NewsQuery | None]] = {project_id: [] for project_id in groups}
    for project_id, items in groups.items():
        for item in items:
            if isinstance(item, Presented):
                positions[project_id].present(item)
                queries[project_id].append(None)
            else:
                asks = item.device_known and needs_stored_position(item)
                after = positions[project_id].of_push(item) if asks else EVERYTHING
                queries[project_id].append(NewsQuery(item.user_id, item.session, after))
    asked = {(project_id, query) for project_id, of_project in queries.items() for query in of_project if query}
    found = await transaction.news(asked) if asked else {}
    return {
        project_id: [_NO_NEWS if query is None else found[project_id, query] for query in of_project]
        for project_id, of_project in queries.items()
    }


async def _keep_pace(states: Iterable[GroupState]) -> None:
    """Take as long as the milliseconds that are added to a log ahead of the clock, so that it never runs away (L2)."""
    ahead = [state.revisions for state in states if state.revisions.first_ms > state.revisions.committed_ms]
    added_ms = max([revisions.added_ms() for revisions in ahead], default=0)
    if added_ms:
        await asyncio.sleep(added_ms / 1000)


async def _write(transaction: WriteTransaction, states: Mapping[int, GroupState]) -> None:
    written = {project_id: state.written.values() for project_id, state in states.items() if state.written}
    if written:
        await transaction.write(written)
    moved = {project_id: state.positions.moved for project_id, state in states.items() if state.positions.moved}
    if moved:
        await transaction.save_positions(moved)
    kept = {project_id: state.to_remember.values() for project_id, state in states.items() if state.to_remember}
    if kept:
        await transaction.remember(kept)
    noted = {project_id: state.notes.written.values() for project_id, state in states.items() if state.notes.written}
    if noted:
        await transaction.write_notes(noted)
    for project_id, pushes in kept.items():
        swept = {(one.user_id, one.device) for one in pushes if sweeps(one)}
        if swept:
            await transaction.forget(project_id, swept, states[project_id].clock_us)


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
