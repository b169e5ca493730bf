"""Which pushes a reader had only a part of when it was told that it had all there was."""

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from syncline_verify.history import UNPLACED, Entity, Entry, Reader, RunHistory


@dataclass(slots=True)
class _Coming:
    """How much of a push a reader has."""

    entries: list[Entry]
    lacking: int
    first_at: int | None = None
    """Index of the entry by which the reader had something of it."""
    last_at: int = 0


def torn_pushes(history: RunHistory, reader: Reader) -> Iterator[list[Entry]]:
    """Yield the pushes that a complete mark of the reader cuts in two."""
    coming = _follow(reader, _visible_pushes(history, reader))
    complete_by = _complete_marks(reader)
    end = len(reader.entries)
    for push in coming:
        if push.first_at is None:
            continue
        last_at = end if push.lacking else push.last_at
        if complete_by[last_at] > complete_by[push.first_at]:
            yield push.entries


def _visible_pushes(history: RunHistory, reader: Reader) -> list[_Coming]:
    """Return what the reader is to get of each push, answers to retries left out."""
    known: set[tuple[Entity, int]] = set()
    pushes: list[_Coming] = []
    for numbers in history.pushes:
        # Within a push, an entity that it changes twice has one version that lasts.
        latest = {history.acknowledged[number].entity: history.acknowledged[number] for number in numbers}
        # A delete of what is deleted is answered with the tombstone that was there, of an earlier push; a push's own
        # revisions follow each other without a gap.
        newest = max([entry.revision for entry in latest.values()], default=0)
        entries = [
            entry
            for entity, entry in latest.items()
            if reader.sees(entity)
            and entry.revision != UNPLACED
            and (entity, entry.revision) not in known
            and (entry.content is not None or entry.revision > newest - len(numbers))
        ]
        known.update((entry.entity, entry.revision) for entry in entries)
        if len(entries) > 1:
            pushes.append(_Coming(entries, len(entries)))
    return pushes


def _follow(reader: Reader, pushes: list[_Coming]) -> list[_Coming]:
    """Note at which entries of the reader each push began to come, and had come."""
    awaited: dict[Entity, deque[tuple[int, _Coming]]] = defaultdict(deque)
    parts = [(entry, push) for push in pushes for entry in push.entries]
    for entry, push in sorted(parts, key=lambda part: part[0].revision):
        awaited[entry.entity].append((entry.revision, push))
    for index, entry in enumerate(reader.entries):
        waiting = awaited.get(entry.entity)
        while waiting and waiting[0][0] <= entry.revision:
            revision, push = waiting.popleft()
            push.lacking -= 1
            push.last_at = index
            if revision == entry.revision and push.first_at is None:
                push.first_at = index
    return pushes


def _complete_marks(reader: Reader) -> list[int]:
    """Return, for each index of an entry and for the end, how many complete marks came before that entry."""
    at = [0] * (len(reader.entries) + 1)
    for mark in reader.marks:
        if mark.complete:
            at[min(mark.entries, len(at) - 1)] += 1
    return list(accumulate(at))
