"""Which side wins: what becomes of each change of a push, given what is stored (P2 to P8). Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from syncline_server.sync import members
from syncline_server.sync.changes import (
    MICROSECONDS_PER_MS,
    Action,
    Change,
    Push,
    Result,
    Version,
    absent_version,
    is_device,
    version_of,
)
from syncline_server.sync.errors import AnswerTooLarge, DataTooLarge, EntityDiffers, EntityNotFound, NoteMismatch
from syncline_server.sync.notes import NewNote, Notes
from syncline_server.sync.revision import RevisionAllocator


@dataclass(frozen=True, slots=True)
class PushLimits:
    """What a push may not exceed."""

    max_data_bytes: int = 256 * 1024
    """The largest data of one entity."""
    max_answer_bytes: int = 16 * 1024 * 1024
    """The most data of all the versions that one answer carries."""


@dataclass(slots=True)
class Resolution:
    """What a push comes to: its results, and the versions to store, last one per entity."""

    results: list[Result] = field(default_factory=list)
    written: dict[str, Version] = field(default_factory=dict)
    head: int = 0
    """The last revision that was drawn for it; 0: none."""
    notes: list[NewNote] = field(default_factory=list)
    """Those to write."""


def resolve(
    push: Push,
    before: Mapping[str, Version],
    shown: int,
    revisions: RevisionAllocator,
    limits: PushLimits,
    notes: Notes | None = None,
) -> Resolution:
    """Decide every change of a push, in order, each against the state before the request (P2).

    `before` holds the stored versions of the push's entities by key; `shown` is the position the session has shown
    to have reached (P9), and `notes` what there is of its notes. Raises NoteMismatch, EntityNotFound, EntityDiffers,
    DataTooLarge or AnswerTooLarge where all of it is refused.
    """
    revisions.begin_push(push.user_id, alone=push.expected_head_ms is not None)
    notes = notes or Notes({}, revisions.committed_ms)
    if (missed := notes.missed(push.notes)) is not None:
        raise NoteMismatch(missed.name, notes.version(missed))
    resolver = _Resolver(push, before, shown, revisions, limits, notes)
    for index, change in enumerate(push.changes):
        resolver.resolution.results.append(resolver.resolve(index, change))
    resolver.resolution.notes.extend(push.notes)
    check_answer_size(resolver.resolution.results, limits)
    return resolver.resolution


def needed_data(push: Push, before: Mapping[str, Version], now_ms: int) -> Iterator[Version]:
    """Yield the stored versions whose large data the store has left out and `resolve` will want."""
    for change in push.changes:
        stored = before.get(change.key)
        if stored is None or stored.data is not None:
            continue
        wanted = change.action is Action.UPDATE or change.retained_members or change.only_if_absent
        wanted = wanted or change.identifying_members or change.note is not None
        if wanted or _conflicts(push, change, stored, now_ms):
            yield stored


class _Resolver:
    """The state of one push while it is decided."""

    def __init__(
        self,
        push: Push,
        before: Mapping[str, Version],
        shown: int,
        revisions: RevisionAllocator,
        limits: PushLimits,
        notes: Notes,
    ) -> None:
        self.resolution = Resolution()
        self._push = push
        self._before = before
        self._shown = shown
        self._revisions = revisions
        self._limits = limits
        self._notes = notes
        self._digests = push.digests()
        self._replayed = _replayed_keys(push, before, self._digests)
        self._lost: set[str] = set()

    def resolve(self, index: int, change: Change) -> Result:
        result = self._resolve(index, change)
        return result if change.note is None else self._with_note(result, change.note)

    def _with_note(self, result: Result, note: NewNote) -> Result:
        """Return the result of a change that has a note, which is written if it is applied and no replay (N3)."""
        if not result.applied or result.replayed:
            return result._replace(note=self._notes.answer(note, with_value=True))
        self.resolution.notes.append(note)
        return result

    def _resolve(self, index: int, change: Change) -> Result:
        stored = self._before.get(change.key)
        if stored is not None and change.key in self._replayed:
            return Result(True, True, stored, _makes_unseen_data(change))
        current = self.resolution.written.get(change.key, stored)
        if self._push.require_existing or change.required_keys:
            self._check_present(index, change, current)
        if change.identifying_members:
            _check_same(index, change, current)
        if change.note is not None and self._notes.misses(change.note):
            self._lost.add(change.key)
            return Result(False, False, current or absent_version(change, self._push.user_id), True)
        if _has_nothing_to_do(self._push, change, stored, current):
            left_alone = change.action is Action.CREATE  # so it is not what was pushed
            return Result(True, False, current or absent_version(change, self._push.user_id), left_alone)
        if _conflicts(self._push, change, stored, self._revisions.committed_ms) or _updates_tombstone(
            change, stored, current
        ):
            self._lost.add(change.key)
            return Result(False, False, current or absent_version(change, self._push.user_id), True)
        version = self._next_version(index, change, current)
        self.resolution.written[change.key] = version
        self.resolution.head = version.revision
        return Result(True, False, version, _makes_unseen_data(change))

    def _check_present(self, index: int, change: Change, current: Version | None) -> None:
        """Raise EntityNotFound when what the change needs is not there (P7)."""
        if self._push.require_existing:
            _check_exists(index, change, current)
        for key in change.required_keys:
            required = self.resolution.written.get(key, self._before.get(key))
            if required is None or required.deleted:
                raise EntityNotFound(index)

    def _next_version(self, index: int, change: Change, current: Version | None) -> Version:
        """Return what the change makes of its entity (P5)."""
        data, merged_unseen = self._merge(change, current)
        size_bytes = len(data) if data.isascii() else len(data.encode())
        if size_bytes > self._limits.max_data_bytes:
            raise DataTooLarge(index, self._limits.max_data_bytes)
        revision = self._revisions.draw(self._push.user_id)
        goes_on = current is not None and (not current.deleted or change.action is Action.DELETE)
        return version_of(
            change,
            self._push.user_id,
            deleted=change.action is Action.DELETE,
            data=data,
            size_bytes=size_bytes,
            revision=revision,
            created_revision=current.created_revision if current is not None and goes_on else revision,
            committed_ms=self._revisions.committed_ms,
            client_timestamp_us=change.client_timestamp_us,
            session=self._push.session,
            # Not every dialect tells which of several changes of an entity was the one that lost.
            merged_unseen=merged_unseen or change.key in self._lost,
            digest=self._digests[change.key],
        )

    def _merge(self, change: Change, current: Version | None) -> tuple[str, bool]:
        """Return the data to store, and whether there are parts in it that the session has not been shown."""
        retains = change.action is Action.DELETE and change.retained_members
        merges = change.action is Action.UPDATE and current is not None and not current.deleted
        if current is None or not (retains or merges):
            return change.data, False
        assert current.data is not None, "loaded, see needed_data"
        # What this very push has written is known to whoever pushes, also to one without a session.
        by_another = current.session != self._push.session or current.merged_unseen
        unseen = current.revision > self._shown and by_another
        if retains:
            return members.retain(current.data, change.retained_members, change.data), unseen
        return members.merge(current.data, change.data), unseen


def _replayed_keys(push: Push, before: Mapping[str, Version], digests: Mapping[str, bytes]) -> set[str]:
    """Return the entities whose changes in the request are those that made what is stored (P3)."""
    if push.expected_head_ms is not None:
        return set()
    last = {change.key: change for change in push.changes if change.key in before}
    return {key for key, change in last.items() if _is_replay(push, change, before[key], digests[key])}


def _is_replay(push: Push, last: Change, stored: Version, digest: bytes) -> bool:
    """Tell whether the changes of an entity, whose last one is given, are the retry of those that made a version."""
    if stored.digest != digest:
        return False
    by_another_device = push.device_known and is_device(stored.session) and stored.session != push.session
    return not by_another_device and last.base_revision != stored.revision


def _makes_unseen_data(change: Change) -> bool:
    """Tell whether what a change stores may be more than was pushed, so that its answer has to carry it."""
    return change.action is Action.UPDATE or bool(change.retained_members)


def _has_nothing_to_do(push: Push, change: Change, stored: Version | None, current: Version | None) -> bool:
    """Tell whether a change finds its work done: a delete (P5), or a create that leaves alone what is there.

    A delete is held to its base revision first (P6). Under an expected head a tombstone moves to the new head, so
    that the last change of an answer is always the head (mutation sync, POST).
    """
    if change.action is Action.CREATE:
        return change.only_if_absent and current is not None and not current.deleted
    if change.action is not Action.DELETE or _misses_base(change, stored):
        return False
    return current is None or (current.deleted and push.expected_head_ms is None)


def _check_exists(index: int, change: Change, current: Version | None) -> None:
    """Apply `require_existing` (P7)."""
    if change.action is Action.UPDATE and (current is None or current.deleted):
        raise EntityNotFound(index)
    if change.action is Action.DELETE and current is None:
        raise EntityNotFound(index)


def _check_same(index: int, change: Change, current: Version | None) -> None:
    """Raise EntityDiffers when what is there, or was, is known by other members (P7)."""
    if current is None:
        return
    assert current.data is not None, "loaded, see needed_data"
    if members.differ(current.data, change.identifying_members, change.data):
        raise EntityDiffers(index)


def _conflicts(push: Push, change: Change, stored: Version | None, now_ms: int) -> bool:
    """Tell whether the server's version wins: by revision (P6), never when the head decides (P7), by time (P4)."""
    if change.base_revision is not None:
        return _misses_base(change, stored)
    if stored is None or push.expected_head_ms is not None or change.client_timestamp_us is None:
        return False
    is_own = push.session != "" and stored.session == push.session
    return _loses_by_time(stored, change.client_timestamp_us // MICROSECONDS_PER_MS, now_ms, is_own=is_own)


def _loses_by_time(stored: Version, changed_ms: int, now_ms: int, *, is_own: bool) -> bool:
    """Tell whether a change of this time, decided at `now_ms` by the store's clock, loses to what is stored (P4)."""
    sent_us = stored.client_timestamp_us
    sent_ms = None if sent_us is None else sent_us // MICROSECONDS_PER_MS
    if is_own:
        if sent_ms is None or changed_ms >= sent_ms:
            return False
        ran_ahead = sent_ms > stored.committed_ms and changed_ms <= now_ms
        return not ran_ahead
    made_ms = min(changed_ms, now_ms)
    if stored.committed_ms <= now_ms:
        return stored.committed_ms > made_ms
    # The store's clock was ahead at that commit, so that only the client's tells when the change was made.
    return sent_ms is not None and made_ms < sent_ms <= now_ms


def _misses_base(change: Change, stored: Version | None) -> bool:
    return change.base_revision is not None and change.base_revision != (stored.revision if stored else 0)


def _updates_tombstone(change: Change, stored: Version | None, current: Version | None) -> bool:
    """Tell whether an update meets a tombstone (P5) that this request did not itself make (P2)."""
    if change.action is not Action.UPDATE or current is None or not current.deleted:
        return False
    return stored is not None and stored.revision == current.revision


def check_answer_size(results: Iterable[Result], limits: PushLimits) -> None:
    """Raise AnswerTooLarge where results carry more data than an answer may."""
    carried = sum([result.version.size_bytes for result in results if result.carries_data])
    carried += sum([len(result.note.value) for result in results if result.note is not None])
    if carried > limits.max_answer_bytes:
        raise AnswerTooLarge(limits.max_answer_bytes)
