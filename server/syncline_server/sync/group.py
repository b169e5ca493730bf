"""What one transaction does: reads what its pushes need, decides each in order, and writes what came of them (L4)."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Final

from syncline_server.sync.changes import MICROSECONDS_PER_MS, Push, PushOutcome, Version
from syncline_server.sync.errors import AnswerTooLarge, HeadMismatch, SyncError
from syncline_server.sync.history import History, Position
from syncline_server.sync.resolve import Limits, Resolution, needed_data, resolve
from syncline_server.sync.revision import RevisionAllocator
from syncline_server.sync.store import (
    LockedHead,
    ShownPosition,
    Standing,
    StandingQuery,
    Store,
    WriteTransaction,
)

_MAX_CLOCK_WAIT_MS: Final = 10
"""A head ahead of the clock by less is waited for; by more, the clock has stepped back."""
_MAX_INLINE_BYTES: Final = 16 * 1024
"""Stored data larger than this is read only where it is needed."""
_EVERYTHING: Final = 2**62
"""A position after everything; the head that a pusher names stands for it."""


@dataclass(frozen=True, slots=True)
class Presented:
    """A reader has presented a position for some entity types (empty: all); see P9."""

    project_id: int
    user_id: str
    session_key: str
    entity_types: tuple[str, ...]
    position: Position
    only_lowers: bool
    """It is a plain revision: no proof of having read up to it, but of not having read past it."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit brought."""

    project_id: int
    head: int
    users: frozenset[str]


class GroupCommit:
    """Applies one group in one transaction."""

    def __init__(self, store: Store, limits: Limits, on_clock_behind: Callable[[int], None]) -> None:
        self._store = store
        self._limits = limits
        self._on_clock_behind = on_clock_behind

    async def apply(
        self, project_id: int, items: list[Push | Presented]
    ) -> tuple[list[PushOutcome | SyncError | None], Committed | None]:
        """Return what became of each item, and what the commit brought (None: nothing)."""
        pushes = [item for item in items if isinstance(item, Push)]
        async with self._store.writing() as transaction:
            head = await transaction.lock_head(project_id)
            head = await self._wait_for_clock(head)
            state = await self._read(transaction, head, project_id, items, pushes)
            # No time of an epoch is before its start: a reader who has it would pass for one of a lost history.
            revisions = RevisionAllocator(head.revision, max(head.clock_us, head.history.starts_us[-1]))
            outcomes: list[PushOutcome | SyncError | None] = []
            for item in items:
                if isinstance(item, Push):
                    outcomes.append(await self._decide(transaction, item, state, revisions))
                else:
                    # Once more, over what earlier pushes of the group have moved.
                    state.present(item)
                    outcomes.append(None)
            await self._write(transaction, project_id, head, state, revisions)
        if not state.written:
            return outcomes, None
        return outcomes, Committed(project_id, revisions.head, frozenset(state.user_heads))

    async def _wait_for_clock(self, head: LockedHead) -> LockedHead:
        """Wait while the head is ahead of the clock by little; report a clock that has stepped back far (L2)."""
        ahead_ms = head.revision // MICROSECONDS_PER_MS + 1 - head.clock_us // MICROSECONDS_PER_MS
        if 0 < ahead_ms <= _MAX_CLOCK_WAIT_MS:
            await asyncio.sleep(ahead_ms / 1000)
            return replace(head, clock_us=head.clock_us + ahead_ms * MICROSECONDS_PER_MS)
        self._on_clock_behind(max(ahead_ms, 0))
        return head

    async def _read(
        self,
        transaction: WriteTransaction,
        head: LockedHead,
        project_id: int,
        items: list[Push | Presented],
        pushes: list[Push],
    ) -> "_GroupState":
        state = _GroupState(head.revision, head.history)
        sessions = {push.session_key for push in pushes if _asks_for_positions(push)}
        sessions.update(item.session_key for item in items if isinstance(item, Presented))
        if sessions:
            state.positions = await transaction.positions(sessions)
        for item in items:
            if isinstance(item, Presented):
                state.present(item)
            else:
                state.shown[id(item)] = state.shown_by(item)
        if pushes:
            queries = {_standing_query(push, state.shown[id(push)]) for push in pushes}
            state.standings = await transaction.standings(project_id, queries)
            keys = {key for push in pushes for key in push.entity_keys()}
            state.versions = await transaction.versions(keys, max_inline_bytes=_MAX_INLINE_BYTES)
            state.lacks_data = any(version.data is None for version in state.versions.values())
        return state

    async def _decide(
        self, transaction: WriteTransaction, push: Push, state: "_GroupState", revisions: RevisionAllocator
    ) -> PushOutcome | SyncError:
        """Decide one push; a refused one answers alone."""
        shown = state.shown_by(push)
        standing = state.standing_before(push, shown)
        mark = revisions.mark(push.user_id)
        try:
            if push.expected_head_ms is not None:
                # Who names the head has been there.
                shown = _check_head(push.expected_head_ms, standing)
            if state.lacks_data:
                await self._load_large_data(transaction, push, state.versions, revisions.now_ms)
            resolution = resolve(push, state.versions, shown, revisions, self._limits)
        except SyncError as error:
            revisions.rewind(mark)
            return error
        return state.accept(push, resolution, shown, standing)

    async def _load_large_data(
        self, transaction: WriteTransaction, push: Push, versions: dict[str, Version], now_ms: int
    ) -> None:
        needed = {version.key: version for version in needed_data(push, versions, now_ms)}
        if not needed:
            return
        if sum(version.size_bytes for version in needed.values()) > self._limits.max_answer_bytes:
            raise AnswerTooLarge(self._limits.max_answer_bytes)
        for key, data in (await transaction.large_data(needed)).items():
            versions[key] = versions[key]._replace(data=data)

    async def _write(
        self,
        transaction: WriteTransaction,
        project_id: int,
        head: LockedHead,
        state: "_GroupState",
        revisions: RevisionAllocator,
    ) -> None:
        if state.written:
            await transaction.write(project_id, state.written.values())
        if state.moved_positions:
            await transaction.save_positions(project_id, state.moved_positions.values())
        if revisions.head != head.revision:
            await transaction.move_head(project_id, revisions.head)


@dataclass(slots=True)
class _GroupState:
    """What a group has read, and what its pushes so far have made of it."""

    head: int
    history: History
    positions: dict[str, dict[str, int]] = field(default_factory=dict)
    shown: dict[int, int] = field(default_factory=dict)
    """By the id of a push, the position its standing was asked for: without what earlier pushes of the group move."""
    standings: dict[StandingQuery, Standing] = field(default_factory=dict)
    versions: dict[str, Version] = field(default_factory=dict)
    lacks_data: bool = False
    """Data of some of these versions was left out."""
    written: dict[str, Version] = field(default_factory=dict)
    writers: dict[str, list[Version]] = field(default_factory=dict)
    user_heads: dict[str, int] = field(default_factory=dict)
    moved_positions: dict[tuple[str, str], ShownPosition] = field(default_factory=dict)

    def present(self, presented: Presented) -> None:
        """Take in a presented position; one for all types replaces the ones of single types."""
        shown = self.positions.setdefault(presented.session_key, {})
        types: Collection[str] = presented.entity_types or {"", *shown}
        # Read before a new epoch began, it may be of a history that is lost meanwhile.
        held = presented.only_lowers or self.history.holds(presented.position, self.head)
        revision = presented.position.revision if held else 0
        for entity_type in types:
            if not presented.only_lowers or revision < shown.get(entity_type, shown.get("", 0)):
                self._move(presented.session_key, entity_type, revision)

    def shown_by(self, push: Push) -> int:
        """Return the position that the pusher has shown to have for every type of the push (P9)."""
        if push.expected_head_ms is not None:
            return _EVERYTHING
        if push.shown is not None:
            return push.shown.revision if self.history.holds(push.shown, self.head) else 0
        if push.session == "":
            return 0
        shown = self.positions.get(push.session_key)
        if not shown:
            return 0
        if not push.changes:
            return min(shown.values())
        otherwise = shown.get("", 0)
        return min([shown.get(entity_type, otherwise) for entity_type in push.entity_types()])

    def standing_before(self, push: Push, shown: int) -> Standing:
        """Return where the user stands before this push, the group's earlier pushes included."""
        stored = self.standings[_standing_query(push, self.shown[id(push)])]
        earlier = self.writers.get(push.user_id, ())
        # An earlier push may have moved the position, to the user's head as a rule; then nothing stored is after it.
        foreign = (stored.foreign and shown < stored.head) or any(
            version.revision > shown and _is_foreign(version, push.session) for version in earlier
        )
        return Standing(self.user_heads.get(push.user_id, stored.head), foreign)

    def accept(self, push: Push, resolution: Resolution, shown: int, standing: Standing) -> PushOutcome:
        """Take in a decided push and return its outcome, with the token's position by P9."""
        head = standing.head
        if resolution.written:
            self.versions.update(resolution.written)
            self.written.update(resolution.written)
            self.writers.setdefault(push.user_id, []).extend(resolution.written.values())
            head = self.user_heads[push.user_id] = resolution.head
        in_part = any(version.merged_unseen for version in resolution.written.values())
        foreign = (standing.foreign or in_part) and push.expected_head_ms is None
        checkpoint = shown if foreign else max(head, shown)
        if not foreign and _asks_for_positions(push):
            for entity_type in push.entity_types():
                self._move(push.session_key, entity_type, checkpoint)
        return PushOutcome(resolution.results, self.history.at(checkpoint), head)

    def _move(self, key: str, entity_type: str, revision: int) -> None:
        shown = self.positions.setdefault(key, {})
        if shown.get(entity_type) != revision:
            shown[entity_type] = revision
            self.moved_positions[key, entity_type] = ShownPosition(key, entity_type, revision)


def _check_head(expected_head_ms: int, standing: Standing) -> int:
    """Return the user's head if it is the expected one (P7)."""
    head_ms = standing.head // MICROSECONDS_PER_MS
    if expected_head_ms != head_ms:
        raise HeadMismatch(head_ms)
    return standing.head


def _asks_for_positions(push: Push) -> bool:
    """Tell whether what the session has shown in pulls is needed to know its position."""
    return push.shown is None and push.expected_head_ms is None and push.session != ""


def _standing_query(push: Push, shown: int) -> StandingQuery:
    return StandingQuery(push.user_id, push.session, shown)


def _is_foreign(version: Version, session: str) -> bool:
    return session == "" or version.session != session or version.merged_unseen
