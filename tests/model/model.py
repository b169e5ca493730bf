"""What every call has to answer: P1 to P9, Q5, N1 to N5, T1 to T5 of docs/rules.md, without database, socket or clock.

A project is the list of its entities' latest versions in order of revision (L3), and what its sessions have shown (P9).
A call that is refused raises Refused and changes nothing.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from model import clocks, notes, readers
from model.calls import (
    EVERYTHING,
    Change,
    Claim,
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
from model.notes import Kept, Told
from model.readers import Row

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
    """What a device of a user has shown, or how far a session without one was answered, by entity type.

    Empty: every type without a position of its own.
    """
    readings: dict[tuple[object, ...], Numbered] = field(default_factory=dict)
    """By number: user, position, types and size of the pages."""
    pushes: dict[tuple[str, str], list[Remembered]] = field(default_factory=dict)
    """What is remembered of pushes, oldest first, by user and device (Q5)."""
    places: dict[tuple[str | None, str, frozenset[str]], set[int]] = field(default_factory=dict)
    """Where the next circle of a session may begin, by the types that it reads: the server picks one at random."""
    notes: dict[tuple[str, str], Kept] = field(default_factory=dict)
    """By user and name."""

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
            return self._answer_again(push, remembered[0], shown, moment.now_ms)
        head = self.head(push.user)
        if push.expected_head_ms not in {None, head // MS}:
            raise Refused("HEAD_MISMATCH", head_ms=head // MS)
        noted = self._noted(push, moment.now_ms)
        if (missed := notes.missed(push.notes, noted)) is not None:  # N2
            raise Refused("NOTE_MISMATCH", version=noted[missed.name].version)
        before = {one.entity: one for one in self.log if one.user == push.user}
        last = {change.entity: change for change in push.changes}
        again = {name for name, one in last.items() if _is_again(push, before.get(name), one)}
        now, results, revision, lost = dict(before), [], moment.first_revision, set()
        for index, change in enumerate(push.changes):
            stored, current = before.get(change.entity), now.get(change.entity)
            if change.entity in again and push.expected_head_ms is None:  # P3
                results.append(Result("replayed", stored, change.action == "update" or bool(change.retained)))
                continue
            if impossible := _why_impossible(push, change, now):  # P7
                raise Refused(impossible, index=index)
            if change.note and notes.misses(change.note, noted[change.note.name]):  # N3
                lost.add(change.entity)
                results.append(Result("conflict", current, True))
            elif _is_done(push, change, stored, current):  # P5
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
        written = {one.entity: one for one in now.values() if one.revision >= moment.first_revision}
        self._store(list(written.values()))
        self._write_notes(push, results, noted, moment.now_ms)
        results = self._with_notes(push, results, moment.now_ms)
        self._remember(push, results, moment.now_ms)
        claim, is_lost = self._answer(push, shown, head, before, written, lost, replaced)
        return Pushed(results, claim, self.head(push.user) // MS, is_lost)

    def _answer(
        self,
        push: Push,
        shown: int,
        head: int,
        before: dict[Entity, Version],
        written: dict[Entity, Version],
        lost: set[Entity],
        replaced: Collection[Version],
    ) -> tuple[Claim, bool]:
        """Return what the pusher has, and whether the token that it has shown is of a lost history (P9).

        `head` was the user's `before` the push.
        """
        claim, after = self._claim_of(push), self.head(push.user)
        if push.expected_head_ms is not None:
            return Claim(after, after), False
        if claim is None:
            passed = [one for one in (*before.values(), *replaced) if one.user == push.user]
            return self._answer_to_session(push, shown, head, passed, list(written.values())), False
        expired = push.token is not None and claim is push.token.claim and self._is_lost(push.token)
        in_full = _is_in_full(push, claim, before, written, lost)
        return readers.answer_shown(claim, head, after, in_full, expired, 0), expired

    def _answer_to_session(
        self, push: Push, shown: int, before: int, passed: list[Version], written: list[Version]
    ) -> Claim:
        """Answer a push that shows nothing: a device that has itself written all after what it has shown goes on."""
        if not push.device_known:
            return self._answer_to_nobody(push, before)
        others = [one for one in passed if not _knows(push.session, one)]
        others = [one for one in (*others, *(one for one in written if not one.in_full)) if one.revision > shown]
        head = self.head(push.user)
        position = shown if others else max(head, shown)
        kinds = {change.entity[0] for change in push.changes}
        if not others:
            self._shown(push.user, push.session).update((kind, position) for kind in kinds)
        return _claim(position, max(position, head), position, frozenset(kinds))

    def _answer_to_nobody(self, push: Push, before: int) -> Claim:
        """Answer a push that shows nothing, of a session that may be many readers: all comes again (P10)."""
        kinds, answered = {change.entity[0] for change in push.changes}, self._shown(push.user, push.session)
        high = readers.high([_answered(answered, kind) for kind in kinds], before)
        claim, moves = readers.answer_bare(high, before, self.head(push.user), 0, 0)
        if moves:
            answered.update((kind, claim.m) for kind in kinds)
        return claim

    def _remember(self, push: Push, results: list[Result], now_ms: int) -> None:
        """Remember the last 64 pushes with a push_id (Q5)."""
        if push.push_id:
            until_ms = max(now_ms, self.head() // MS) + DAY_MS
            kept = Remembered(push.push_id, push.content, tuple(results), self.head(push.user), until_ms)
            before = [one for one in self.pushes.get(push.owner, ()) if one.push_id != push.push_id]
            self.pushes[push.owner] = [*before, kept][-64:]

    def note_of(self, user: str, name: str, now_ms: int) -> Kept:
        """Return what there is of a note."""
        return notes.at(self.notes.get((user, name)), now_ms)

    def _noted(self, push: Push, now_ms: int) -> dict[str, Kept]:
        """Return what there is of the notes of a push."""
        named = [*push.notes, *(change.note for change in push.changes if change.note)]
        return {note.name: self.note_of(push.user, note.name, now_ms) for note in named}

    def _write_notes(self, push: Push, results: list[Result], noted: dict[str, Kept], now_ms: int) -> None:
        """Write the notes of a push, and those of its changes that are applied (N2, N3)."""
        pairs = zip(push.changes, results, strict=True)
        of_changes = [change.note for change, result in pairs if change.note and result.outcome == "applied"]
        for note in (*push.notes, *of_changes):
            self.notes[push.user, note.name] = notes.written(note, noted[note.name], now_ms)

    def _with_notes(self, push: Push, results: list[Result], now_ms: int) -> list[Result]:
        """Return results with the notes of their changes; nobody is told what he has just written (N3)."""
        told = []
        for change, result in zip(push.changes, results, strict=True):
            if change.note:
                now = self.note_of(push.user, change.note.name, now_ms)
                value = b"" if result.outcome == "applied" else now.value
                told.append(replace(result, note=Told(change.note.name, now.version, value)))
            else:
                told.append(result)
        return told

    def _answer_again(self, push: Push, first: Remembered, shown: int, now_ms: int) -> Pushed:
        """Answer the retry of a push with the outcomes and revisions of the first time, and today's data (Q5)."""
        if push.content != first.content:
            raise Refused("PUSH_ID_REUSED")
        now = {one.entity: one for one in self.log if one.user == push.user}
        pairs = zip(push.changes, first.results, strict=True)
        results = [_again(result, now.get(change.entity)) for change, result in pairs]
        results = self._with_notes(push, results, now_ms)
        if push.expected_head_ms is not None:
            return Pushed(results, Claim(first.head, first.head), first.head // MS)
        head = self.head(push.user)
        claim, is_lost = self._answer(push, shown, head, {}, {}, set(), ())
        return Pushed(results, claim, head // MS, is_lost)

    def pull(self, pull: Pull) -> Page:
        """Read a page, or a stream up to its first pause, and note what the reader has shown (T2, T3, P9)."""
        (page,) = pages = self.pages(pull)
        self.note(pull, pages)
        return page

    def get(self, user: str, entities: Sequence[Entity]) -> list[Version]:
        """Read entities by their ids: each once, in order, what never was left out (G1); nothing is shown (G4)."""
        known = {one.entity: one for one in self.log if one.user == user}
        return [known[one] for one in dict.fromkeys(entities) if one in known]

    def pages(self, pull: Pull) -> list[Page]:
        """Return the page that a pull gets, by each place at which its circle may begin (P10)."""
        asked, reset = self._asked(pull)
        begins = asked.p == -1 and not pull.head_only
        places = self.places.get(pull.reader, {0}) if begins else {0}
        return [self._page(pull, asked, reset, place) for place in sorted(places)]

    def _page(self, pull: Pull, asked: Claim, reset: bool, place: int) -> Page:
        is_plain = pull.after is not None
        found = {one.revision: one for one in self.log if pull.user in {None, one.user}}
        log = [Row(one.entity, one.revision, 0, one.deleted) for one in found.values()]
        kinds, head = frozenset(pull.types), self.head(pull.user)
        head_ms = head // MS if pull.user is not None else 0
        if pull.head_only:
            return Page([], Claim(head, head, kinds=readers.named(kinds)), False, head_ms, 0, reset)
        ask = readers.Ask(pull.size, kinds, pull.skip)
        if pull.number:
            page = self._numbered(pull, log, asked, is_plain=is_plain)
        else:
            page = _plain_page(log, asked.m, ask) if is_plain else readers.pull(log, asked, ask, place, 0, Random(1))
        versions = [
            (_action(found[row.revision], asked.m if row.revision > asked.m else 0), found[row.revision])
            for row in page.rows
        ]
        total = page.total if pull.with_total else 0
        given = [] if pull.skip else page.circle
        places = {row.revision for row in given[len(given) // 2 :]} or ({place} if asked.p == -1 else set())
        return Page(versions, page.token, page.has_more, head_ms, total, reset, frozenset(places))

    def _numbered(self, pull: Pull, log: list[Row], asked: Claim, *, is_plain: bool) -> readers.Page:
        """Cut the page of a number from where the one before it has ended, if anybody has read that (T5)."""
        kinds = frozenset(pull.types)
        found = [row for row in log if row.revision > asked.m and (not kinds or row.entity[0] in kinds)]
        reading = (pull.user, asked.m, kinds, pull.size)
        kept = self.readings.get(reading, Numbered({1: asked.m}, len(found)))
        known = max(number for number in kept.starts if number <= pull.number)
        skip = (pull.number - known) * pull.size
        left = [row for row in found if row.revision > kept.starts[known]]
        rows, has_more = left[skip : skip + pull.size], len(left) > skip + pull.size
        met = (pull.number - 1) * pull.size + len(rows) + has_more if rows else 0
        if has_more:
            self.readings[reading] = kept
            kept.starts.setdefault(pull.number + 1, rows[-1].revision)
        head = readers.head(log)
        claim = _claim(rows[-1].revision if has_more else head, head, asked.m, kinds)
        if not is_plain and (pull.number > 1 or asked.e):
            claim = readers.unmoved(asked, head, 0)  # what it passes over, its reader may lack
        return readers.Page(tuple(rows), claim, has_more, 0, max(kept.total, met))

    def note(self, pull: Pull, pages: Collection[Page]) -> None:
        """Note what the pull of a session has shown, by the pages that it may have got, which are alike."""
        if pull.user is None or not pull.session or pull.head_only:
            return
        asked, _ = self._asked(pull)
        shown, page = self._shown(pull.user, pull.session), next(iter(pages))
        if page.places:
            self.places[pull.reader] = set().union(*(one.places for one in pages))
        if pull.device_known:
            for kind in pull.types or {"", *shown}:
                # A revision is no proof of having read up to it, but of not having read past it.
                if pull.after is None or _read_up_to(asked) < shown.get(kind, shown.get("", 0)):
                    shown[kind] = _read_up_to(asked)
        elif pull.after is None and any((_answered(shown, kind) or 0) < page.claim.m for kind in pull.types or ("",)):
            shown.update((kind, max(shown.get(kind, 0), page.claim.m)) for kind in pull.types or ("",))

    def _shown(self, user: str, session: str) -> dict[str, int]:
        return self.shown.setdefault((user, session), {})

    def _asked(self, pull: Pull) -> tuple[Claim, bool]:
        """Return what a reader has, and whether it has to start over (T1)."""
        claim = Claim(pull.after or 0, pull.after or 0)  # a plain revision vouches for nothing
        if pull.token:
            claim, expired = self._read(pull.token, pull.user), self._is_lost(pull.token)
        else:  # it may be a time, so only one who is ready to start over is held to the head, by the ms
            expired = pull.reset_when_expired and claim.m // MS > self.head(pull.user) // MS
        if expired and not pull.reset_when_expired:
            raise Refused("CHECKPOINT_EXPIRED")
        return (Claim(), True) if expired else (claim, False)

    def _read(self, token: Token, user: str | None) -> Claim:
        if token.key_known and (token.project, token.user) != (self.name, user):
            raise Refused("CHECKPOINT_INVALID")
        return token.claim

    def _is_lost(self, token: Token) -> bool:
        return token.claim.h > self.head() or (token.is_of_lost_history and token.claim.h > 0)

    def _claim_of(self, push: Push) -> Claim | None:
        """Return what a push shows itself; None: its session has to stand for it (P9)."""
        claim = self._read(push.token, push.user) if push.token else None
        if claim is not None and readers.shows(claim, {change.entity[0] for change in push.changes}):
            return claim
        return Claim() if push.shows_nothing or push.push_id or not push.session else None

    def _shown_by(self, push: Push) -> int:
        """Return the position up to which a pusher has shown to know all (P9)."""
        claim = self._claim_of(push)
        if push.expected_head_ms is not None:
            return EVERYTHING
        if claim is not None:
            return 0 if push.token and self._is_lost(push.token) else _read_up_to(claim)
        shown = self._shown(push.user, push.session)
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


def _answered(answered: dict[str, int], kind: str) -> int | None:
    return max((answered[one] for one in (kind, "") if one in answered), default=None)


def _plain_page(log: list[Row], after: int, ask: readers.Ask) -> readers.Page:
    """Read what lies after a revision; its token goes on after the last row, whatever was passed over."""
    found = [row for row in log if row.revision > after and (not ask.kinds or row.entity[0] in ask.kinds)]
    rows = tuple(found[ask.skip : ask.skip + ask.size])
    has_more, head = bool(rows) and len(found) > ask.skip + len(rows), readers.head(log)
    following = rows[-1].revision if has_more else head
    claim = _claim(following, head, after, ask.kinds)
    return readers.Page(rows, claim, has_more, 0, len(found))


def _claim(position: int, head: int, began: int, kinds: frozenset[str]) -> Claim:
    return Claim(position, head, g=0 if position == head else began or head, kinds=readers.named(kinds))


def _read_up_to(claim: Claim) -> int:
    """Return up to where a reader lacks nothing at all."""
    if not claim.e:
        return claim.m
    return 0 if claim.s else max(claim.p, 0)


def _knows(session: str, version: Version) -> bool:
    """Whether a session has itself written a version, all of it; nobody knows what a caller without a session wrote."""
    return bool(session) and version.session == session and version.in_full


def _is_again(push: Push, stored: Version | None, last: Change) -> bool:
    """Whether the changes of an entity, whose last one is given, are those that made what is stored (Q1 to Q3)."""
    if stored is None or stored.pushed != push.pushed(last.entity):
        return False
    by_another_device = push.device_known and stored.by_device and stored.session != push.session
    return not by_another_device and last.base != stored.revision


def _is_in_full(
    push: Push, claim: Claim, before: dict[Entity, Version], written: dict[Entity, Version], lost: set[Entity]
) -> bool:
    """Whether the reader of a push that shows a token knows all that it has written."""
    merging = {change.entity for change in push.changes if change.action == "update" or change.retained}
    merged = [before[name].revision for name in merging & before.keys() & written.keys()]
    return readers.is_in_full(claim, merged, bool(lost & written.keys()))


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
        push.device_known,
        in_full,
        push.pushed(change.entity),
    )


def _action(version: Version, position: int) -> str:
    if version.deleted:
        return "delete"
    return "create" if version.created > position else "update"
