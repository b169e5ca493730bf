"""What every call has to answer: P1 to P9, Q5 and T1 to T5 of docs/rules.md, without a database, a socket or a clock.

A project is the list of its entities' latest versions in order of revision (L3), and what its sessions have shown (P9).
A call that is refused raises Refused and changes nothing.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from model import clocks
from model.calls import (
    EVERYTHING,
    Change,
    Entity,
    Moment,
    Page,
    Pull,
    Push,
    Pushed,
    Refused,
    Remembered,
    Result,
    Token,
    Version,
)

MS = 1000
DAY_MS = 24 * 3_600_000
WAITED_FOR_MS = 10


@dataclass
class Numbered:
    """What is kept of a reading by number (T5)."""

    starts: dict[int, int]
    """Where a page begins, by its number."""
    total: int


@dataclass
class Project:
    name: str
    log: list[Version] = field(default_factory=list)
    shown: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    """What a session of a user has shown, by entity type; empty: every type without a position of its own."""
    readings: dict[tuple[object, ...], Numbered] = field(default_factory=dict)
    """By number: user, position, types and size of the pages."""
    pushes: dict[tuple[str, str], list[Remembered]] = field(default_factory=dict)
    """What is remembered of pushes, oldest first, by user and device (Q5)."""

    def head(self, user: str | None = None) -> int:
        return max((one.revision for one in self.log if user in {None, one.user}), default=0)

    def begin(self, clock_ms: int, epoch_ms: int) -> Moment:
        """Begin a transaction: at the clock, in a millisecond after the head (L2), and not before the epoch."""
        after_ms = self.head() // MS + 1
        now_ms = after_ms if clock_ms < after_ms <= clock_ms + WAITED_FOR_MS else clock_ms
        return Moment(now_ms, max(now_ms, after_ms, epoch_ms) * MS)

    def push(self, push: Push, moment: Moment, replaced: Collection[Version] = ()) -> Pushed:
        """Apply a push at a moment; what its transaction has `replaced` so far still counts in P9."""
        shown = self._shown_by(push)  # which refuses a bad token (T1)
        for index, change in enumerate(push.changes):
            if change.malformed():
                raise Refused("CHANGE_INVALID", index=index)
        remembered = [one for one in self.pushes.get(push.owner, ()) if push.push_id and one.push_id == push.push_id]
        if remembered and moment.now_ms < remembered[0].until_ms:
            return self._answer_again(push, remembered[0], shown)
        head = self.head(push.user)
        if push.expected_head_ms not in {None, head // MS}:
            raise Refused("HEAD_MISMATCH", head_ms=head // MS)
        before = {one.entity: one for one in self.log if one.user == push.user}
        last = {change.entity: change for change in push.changes}
        again = {name for name, one in last.items() if name in before and before[name].pushed == one.pushed}
        now, results, revision, lost = dict(before), [], moment.first_revision, set()
        for index, change in enumerate(push.changes):
            stored, current = before.get(change.entity), now.get(change.entity)
            if change.entity in again and push.expected_head_ms is None:  # P3
                results.append(Result("replayed", stored, change.action == "update" or bool(change.retained)))
                continue
            if impossible := _why_impossible(push, change, now):  # P7
                raise Refused(impossible, index=index)
            if _is_done(push, change, stored, current):  # P5
                if current is not stored:  # what this push has written is known again by its last change, too
                    current = now[change.entity] = replace(current, pushed=change.pushed)
                results.append(Result("applied", current, change.action == "create"))
            elif _loses(push, change, stored, current, moment.now_ms):  # P4, P5, P6
                lost.add(change.entity)
                results.append(Result("conflict", current, True))
            else:
                at = Moment(moment.now_ms, revision)
                now[change.entity] = _next_version(push, change, current, at, shown, change.entity not in lost)
                results.append(
                    Result("applied", now[change.entity], change.action == "update" or bool(change.retained))
                )
                revision += 1
        written = [one for one in now.values() if one.revision >= moment.first_revision]
        passed = [one for one in (*before.values(), *replaced) if one.user == push.user]
        # A reader that shows its token knows what is not after it. One that shows none is taken for its session.
        others = [one for one in passed if push.token is not None or not _knows(push.session, one)]
        others = [one for one in (*others, *(one for one in written if not one.in_full)) if one.revision > shown]
        self._store(written)
        self._remember(push, results, moment.now_ms)
        answer = self._answer(push, results, shown, knows_all=not others)
        if not others and push.session and not (push.token or push.push_id) and push.expected_head_ms is None:
            shown_now = self.shown.setdefault((push.user, push.session), {})
            shown_now.update((kind, answer.position) for kind, _ in last)
        return answer

    def _answer(self, push: Push, results: list[Result], shown: int, *, knows_all: bool) -> Pushed:
        """Answer with the head to one who `knows_all` before it, else with the position shown (P9)."""
        head = self.head(push.user)
        if push.token is not None and push.expected_head_ms is None and self._is_lost(push.token):
            return Pushed(results, push.token.position, head // MS, keeps_token=True)
        if push.push_id and push.token is None and push.expected_head_ms is None:
            return Pushed(results, 0, head // MS)
        position = max(head, shown if shown < EVERYTHING else 0) if knows_all else shown
        return Pushed(results, position, head // MS)

    def _remember(self, push: Push, results: list[Result], now_ms: int) -> None:
        """Remember the last 64 pushes with a push_id (Q5)."""
        if push.push_id:
            until_ms = max(now_ms, self.head() // MS) + DAY_MS
            kept = Remembered(push.push_id, push.content, tuple(results), self.head(push.user), until_ms)
            before = [one for one in self.pushes.get(push.owner, ()) if one.push_id != push.push_id]
            self.pushes[push.owner] = [*before, kept][-64:]

    def _answer_again(self, push: Push, first: Remembered, shown: int) -> Pushed:
        """Answer the retry of a push with the outcomes and revisions of the first time, and today's data (Q5)."""
        if push.content != first.content:
            raise Refused("PUSH_ID_REUSED")
        now = {one.entity: one for one in self.log if one.user == push.user}
        pairs = zip(push.changes, first.results, strict=True)
        results = [_again(result, now.get(change.entity)) for change, result in pairs]
        if push.expected_head_ms is not None:
            return Pushed(results, first.head, first.head // MS)
        return self._answer(push, results, shown, knows_all=self.head(push.user) <= shown)

    def pull(self, pull: Pull) -> Page:
        """Read a page, or a stream up to its first pause, and note what the reader has shown (T2, T3, P9)."""
        position, reset = self._position(pull)
        # A revision is no proof of having read up to it, but of not having read past it.
        proven = pull.after is None or reset
        if pull.user is not None and pull.session and not pull.head_only:
            shown = self.shown.setdefault((pull.user, pull.session), {})
            for kind in pull.types or {"", *shown}:
                if proven or position < shown.get(kind, shown.get("", 0)):
                    shown[kind] = position
        found = [one for one in self.log if one.revision > position and pull.user in {None, one.user}]
        found = [one for one in found if not pull.types or one.entity[0] in pull.types]
        page = [] if pull.head_only else found[pull.skip : pull.skip + pull.size]
        has_more = bool(page) and len(found) > pull.skip + len(page)
        total = len(found) if pull.with_total and not pull.head_only else 0
        if pull.number and not pull.head_only:
            page, has_more, total = self._numbered(pull, position, found)
        head = self.head(pull.user)
        following = page[-1].revision if has_more else max(head, position if proven else 0)
        versions = [(_action(one, position), one) for one in page]
        return Page(versions, following, has_more, head // MS if pull.user is not None else 0, total, reset)

    def get(self, user: str, entities: Sequence[Entity]) -> list[Version]:
        """Read entities by their ids: each once, in order, what never was left out (G1); nothing is shown (G4)."""
        known = {one.entity: one for one in self.log if one.user == user}
        return [known[one] for one in dict.fromkeys(entities) if one in known]

    def _numbered(self, pull: Pull, position: int, found: list[Version]) -> tuple[list[Version], bool, int]:
        """Cut the page of a number from where the one before it has ended, if anybody has read that (T5)."""
        reading = (pull.user, position, frozenset(pull.types), pull.size)
        kept = self.readings.get(reading, Numbered({1: position}, len(found)))
        known = max(number for number in kept.starts if number <= pull.number)
        skip = (pull.number - known) * pull.size
        left = [one for one in found if one.revision > kept.starts[known]]
        page, has_more = left[skip : skip + pull.size], len(left) > skip + pull.size
        met = (pull.number - 1) * pull.size + len(page) + has_more if page else 0
        if has_more:
            self.readings[reading] = kept
            kept.starts.setdefault(pull.number + 1, page[-1].revision)
        return page, has_more, max(kept.total, met) if pull.with_total else 0

    def _position(self, pull: Pull) -> tuple[int, bool]:
        """Return where a reader is, and whether it has to start over (T1)."""
        position = self._read(pull.token, pull.user) if pull.token else pull.after or 0
        if pull.token:
            expired = self._is_lost(pull.token)
        else:  # it may be a time, so only one who is ready to start over is held to the head, by the ms
            expired = pull.reset_when_expired and position // MS > self.head(pull.user) // MS
        if expired and not pull.reset_when_expired:
            raise Refused("CHECKPOINT_EXPIRED")
        return (0, True) if expired else (position, False)

    def _read(self, token: Token, user: str | None) -> int:
        if (token.project, token.user) != (self.name, user):
            raise Refused("CHECKPOINT_INVALID")
        return token.position

    def _is_lost(self, token: Token) -> bool:
        return token.position > self.head() or (token.is_of_lost_history and token.position > 0)

    def _shown_by(self, push: Push) -> int:
        """Return the position that a pusher has shown to have reached: C of P9."""
        position = self._read(push.token, push.user) if push.token else 0
        if push.expected_head_ms is not None:
            return EVERYTHING
        if push.token or push.push_id:
            return 0 if push.token is None or self._is_lost(push.token) else position
        shown = self.shown.get((push.user, push.session), {}) if push.session else {}
        if not push.changes:
            return min(shown.values(), default=0)
        return min(shown.get(change.entity[0], shown.get("", 0)) for change in push.changes)

    def _store(self, written: list[Version]) -> None:
        """Put each version in the place of the one before."""
        moved = {(one.user, one.entity) for one in written}
        kept = [one for one in self.log if (one.user, one.entity) not in moved]
        self.log = sorted(kept + written, key=lambda one: one.revision)


def _again(first: Result, today: Version | None) -> Result:
    """Return a result once more: of its revision, with the data of today."""
    outcome = "replayed" if first.outcome == "applied" else first.outcome
    if first.version is None or today is None:
        return Result(outcome, today if outcome == "conflict" else None, first.shows_data)
    revision = first.version.revision
    return Result(outcome, replace(today, revision=revision, created=min(today.created, revision)), first.shows_data)


def _knows(session: str, version: Version) -> bool:
    """Whether a session has itself written a version, all of it; nobody knows what a caller without a session wrote."""
    return bool(session) and version.session == session and version.in_full


def _is_live(version: Version | None) -> bool:
    return version is not None and not version.deleted


def _is_possible(push: Push, change: Change, now: dict[Entity, Version]) -> bool:
    current = now.get(change.entity)
    if push.require_existing and change.action == "update" and not _is_live(current):
        return False
    if push.require_existing and change.action == "delete" and current is None:
        return False
    return all(_is_live(now.get(entity)) for entity in change.required)


def _why_impossible(push: Push, change: Change, now: dict[Entity, Version]) -> str:
    if not _is_possible(push, change, now):
        return "ENTITY_NOT_FOUND"
    return "ENTITY_DIFFERS" if _is_another(change, now.get(change.entity)) else ""


def _is_another(change: Change, current: Version | None) -> bool:
    data = json.loads(change.data)
    known = set(change.identifying) & data.keys() & (current.data.keys() if current else set())
    return current is not None and any(current.data[name] != data[name] for name in known)


def _is_done(push: Push, change: Change, stored: Version | None, current: Version | None) -> bool:
    """Whether there is nothing to do: the entity is gone already, or there already."""
    if change.action == "create":
        return change.only_if_absent and _is_live(current)
    if change.action != "delete" or _misses_base(change, stored):
        return False
    return current is None or (current.deleted and push.expected_head_ms is None)


def _misses_base(change: Change, stored: Version | None) -> bool:
    return change.base is not None and change.base != (stored.revision if stored else 0)


def _loses(push: Push, change: Change, stored: Version | None, current: Version | None, now_ms: int) -> bool:
    if change.action == "update" and stored is not None and stored.deleted and current is stored:
        return True
    if change.base is not None:
        return _misses_base(change, stored)
    if stored is None or change.at_us is None or push.expected_head_ms is not None:
        return False
    kept = clocks.Stored(stored.committed_ms, None if stored.sent_us is None else stored.sent_us // MS)
    same_session = push.session != "" and stored.session == push.session
    return clocks.loses(kept, change.at_us // MS, now_ms, same_session=same_session)


def _next_version(
    push: Push, change: Change, current: Version | None, at: Moment, shown: int, in_full: bool
) -> Version:
    data = json.loads(change.data)
    if current is not None and (change.retained or (change.action == "update" and not current.deleted)):
        kept = {name: one for name, one in current.data.items() if change.action == "update" or name in change.retained}
        data = {**kept, **data}
        in_full &= current.revision <= shown or (current.session == push.session and current.in_full)
    lives_on = current is not None and (not current.deleted or change.action == "delete")
    return Version(
        push.user,
        change.entity,
        change.action == "delete",
        data,
        at.first_revision,
        current.created if current is not None and lives_on else at.first_revision,
        at.now_ms,
        change.at_us,
        push.session,
        in_full,
        change.pushed,
    )


def _action(version: Version, position: int) -> str:
    if version.deleted:
        return "delete"
    return "create" if version.created > position else "update"
