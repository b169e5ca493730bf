"""Notes (N1 to N5): small values beside the log, each with a version, written together with a push or not at all."""

from collections.abc import Iterable
from dataclasses import dataclass

NOTE_MS = 1000


@dataclass(frozen=True)
class Note:
    """A note to write."""

    name: str
    value: bytes
    expected: int | None = None
    """The version that it must have; 0: there must be none."""
    ttl: int = 0
    """For how many seconds it is kept; 0: for ever."""


@dataclass(frozen=True)
class Kept:
    """A note as it is kept; version 0: there is none."""

    version: int = 0
    value: bytes = b""
    until_ms: int | None = None


@dataclass(frozen=True)
class Told:
    """A note as an answer tells it."""

    name: str
    version: int
    value: bytes = b""


def at(kept: Kept | None, now_ms: int) -> Kept:
    """Return what there is of a note at a time (N5)."""
    is_there = kept is not None and kept.version and (kept.until_ms is None or now_ms < kept.until_ms)
    return kept if kept is not None and is_there else Kept()


def is_again(note: Note, now: Kept) -> bool:
    """Whether a note is written already, so that it comes again (N4), or is gone already."""
    if not note.value:
        return not now.version
    return note.expected is not None and now == Kept(note.expected + 1, note.value, now.until_ms)


def misses(note: Note, now: Kept) -> bool:
    """Whether a note has another version than expected (N2, N3)."""
    return note.expected not in {None, now.version} and not is_again(note, now)


def written(note: Note, now: Kept, now_ms: int) -> Kept:
    """Return what a note becomes."""
    if is_again(note, now) or not note.value:
        return now if note.value else Kept()
    return Kept(now.version + 1, note.value, now_ms + note.ttl * NOTE_MS if note.ttl else None)


def missed(notes: Iterable[Note], now: dict[str, Kept]) -> Note | None:
    """Return the first note that has another version than expected."""
    return next((note for note in notes if misses(note, now[note.name])), None)
