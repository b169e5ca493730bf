"""What is wrong with what apps were told and with what is there in the end; shares nothing with the server."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from apps.acts import LEASE, TALLY
from apps.book import APPLIED, CONFLICT, Book, Data, Entity, Problem, Sent

_TOLD = 12
_MARGIN_SECONDS = 0.1
"""What a commit time may be ahead of the clock by."""


def problems(book: Book, log: Mapping[Entity, Data | None]) -> list[Problem]:
    """Return every promise to one user's apps that was not kept; `log` is all the server has, None: deleted."""
    return [
        *book.problems,
        *_late(book),
        *_twice(book),
        *_several(log),
        *_lost(book, log),
        *_unfair(book),
        *_tallies(book, log),
        *_leases(book),
    ]


def _late(book: Book) -> Iterator[Problem]:
    for one in book.late:
        revisions = [revision for entity, revision in book.versions[one.tag] if entity == one.entity]
        if revisions and min(revisions) > one.held_revision:
            what = f"{one.entity} {one.tag} ({min(revisions)}) was not on the next page; it has {one.held_revision}"
            yield Problem("late", one.app, what, one.calls)


def _twice(book: Book) -> Iterator[Problem]:
    for sent in book.tags():
        places = book.versions[sent.tag]
        if sent.retry_is_exact and len(places) > 1:
            yield Problem("twice", sent.app, f"{sent.action} {sent.tag} is at {sorted(places)}; {sent}")


def _several(log: Mapping[Entity, Data | None]) -> Iterator[Problem]:
    tags = Counter(data["tag"] for data in log.values() if data and str(data.get("tag", "")).startswith("mutation"))
    yield from (Problem("twice", tag, f"was created {times} times") for tag, times in tags.items() if times > 1)


def _lost(book: Book, log: Mapping[Entity, Data | None]) -> Iterator[Problem]:
    """Yield the last acknowledged change of an entity where what is there was over before it was sent."""
    for entity, sent in book.by_entity().items():
        if not entity[1] or entity[1].startswith((TALLY, LEASE)):
            continue
        there = _makers(sent, log.get(entity))
        for one in sent:
            if one.outcome == APPLIED and there is not None and all(each.answered_at < one.sent_at for each in there):
                yield Problem("lost", one.app, f"{one} was applied, and there is {log.get(entity)}")
                break


def _makers(sent: Sequence[Sent], data: Data | None) -> list[Sent] | None:
    """Return the changes that may have made what is there; None: somebody else has."""
    if data is None:
        return [one for one in sent if one.action == "delete" and one.may_be_applied]
    found = [one for one in sent if one.tag and one.tag == str(data.get("edited") or data.get("tag") or "")]
    return found or None


def _unfair(book: Book) -> Iterator[Problem]:
    """Yield what lost, on a clock that is right, to what was over before it was made."""
    for sent in book.by_entity().values():
        for one in sent:
            if one.outcome == CONFLICT and one.base is None and _should_have_won(one, sent):
                history = [
                    f"{each.sent_at:.3f}–{each.answered_at:.3f} {each.app} {each.action} {each.tag}: {each.outcome}"
                    for each in sorted(sent, key=lambda each: each.sent_at)
                    if each.sent_at <= one.answered_at
                ]
                yield Problem("unfair", one.app, f"{one} lost to what was long there", tuple(history[-_TOLD:]))


def _should_have_won(one: Sent, sent: Sequence[Sent]) -> bool:
    others = [each for each in sent if each is not one and each.may_be_applied and each.sent_at <= one.answered_at]
    if any(each.answered_at > one.sent_at - _MARGIN_SECONDS for each in others):
        return False
    deleted_at = max((each.answered_at for each in others if each.action == "delete"), default=0.0)
    revived = any(each.action == "create" and each.outcome == APPLIED and each.sent_at > deleted_at for each in others)
    if not others or (deleted_at and not revived):
        return False  # an update loses to what is deleted
    return one.clock_is_right or one.stamp_ms is None


def _tallies(book: Book, log: Mapping[Entity, Data | None]) -> Iterator[Problem]:
    for entity, sent in book.by_entity().items():
        if not entity[1].startswith(TALLY) or any("count" not in one.data for one in sent):
            continue  # some have done other things with it than count
        told = sum(one.outcome == APPLIED for one in sent)
        unknown = sum(one.is_unknown for one in sent)
        count = (log.get(entity) or {}).get("count", 0)
        if not told <= count <= told + unknown:
            yield Problem("tally", str(entity), f"{told} increments were acknowledged ({unknown} unknown): {count}")


def _leases(book: Book) -> Iterator[Problem]:
    for entity, sent in book.by_entity().items():
        owners = {one.app for one in sent if one.outcome == APPLIED and one.base == 0}
        if entity[1].startswith(LEASE) and len(owners) > 1:
            yield Problem("lease", str(entity), f"{sorted(owners)} were each told that it is theirs")
