"""Notes: small values of a client protocol's own, written with a push or not at all, each with a version (N1 to N6)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

_US_PER_SECOND = 1_000_000
_US_PER_MS = 1000


class NewNote(NamedTuple):
    """A note to write, well-formed."""

    key: str
    """See keys.note_key."""
    name: str
    value: bytes
    """Empty: delete it."""
    expected_version: int | None = None
    """The version that it must have; 0: there must be none; None: it may have any."""
    ttl_seconds: int = 0
    """0: for ever."""


class StoredNote(NamedTuple):
    """A note as it is stored. One that was deleted is stored as one that has expired, until the clean-up takes it."""

    key: str
    owner: str
    """The user."""
    name: str
    version: int
    """1, and one more with each write; 0: it was deleted."""
    expires_at_us: int | None
    """µs since the Unix epoch; None: never."""
    value: bytes

    def is_there(self, now_ms: int) -> bool:
        """Tell whether it is neither deleted nor expired (N5)."""
        return self.version > 0 and (self.expires_at_us is None or now_ms < self.expires_at_us // _US_PER_MS)

    def seconds_left(self, now_ms: int) -> int:
        """Return for how long it is kept, in whole seconds, one at least; 0: for ever."""
        if self.expires_at_us is None:
            return 0
        return max(-(-(self.expires_at_us - now_ms * _US_PER_MS) // _US_PER_SECOND), 1)


class NoteAnswer(NamedTuple):
    """The note of a change as it is after the push."""

    name: str
    version: int
    """0: there is none."""
    value: bytes
    """Empty where it was just written, too."""


@dataclass(slots=True)
class Notes:
    """The notes of a group: what is stored, and what its pushes so far have made of it."""

    stored: Mapping[str, StoredNote]
    """By key."""
    now_ms: int
    """The store's clock, ms since the Unix epoch."""
    written: dict[str, StoredNote] = field(default_factory=dict)

    def version(self, note: NewNote) -> int:
        """Return the version that a note has; 0: there is none."""
        return self._current(note).version

    def misses(self, note: NewNote) -> bool:
        """Tell whether a note has another version than expected, and not because its write comes again (N4)."""
        if note.expected_version is None:
            return False
        return note.expected_version != self.version(note) and not self._is_again(note)

    def missed(self, notes: Iterable[NewNote]) -> NewNote | None:
        """Return the first of these notes that has another version than expected (N2); None: there is none."""
        return next((note for note in notes if self.misses(note)), None)

    def write(self, user_id: str, notes: Iterable[NewNote]) -> None:
        """Take in the notes of a push that is applied; none is named twice in it."""
        self.written.update((note.key, self._next(user_id, note)) for note in notes if not self._is_again(note))

    def answer(self, note: NewNote, *, with_value: bool) -> NoteAnswer:
        """Return a note as it is now."""
        current = self._current(note)
        return NoteAnswer(note.name, current.version, current.value if with_value else b"")

    def _current(self, note: NewNote) -> StoredNote:
        found = self.written.get(note.key) or self.stored.get(note.key)
        return found if found is not None and found.is_there(self.now_ms) else _no_note(note)

    def _is_again(self, note: NewNote) -> bool:
        """Tell whether there is nothing to write: the note is gone already, or is what its write has made of it."""
        current = self._current(note)
        if not note.value:
            return current.version == 0
        return note.expected_version is not None and (
            current.version == note.expected_version + 1 and current.value == note.value
        )

    def _next(self, user_id: str, note: NewNote) -> StoredNote:
        now_us = self.now_ms * _US_PER_MS
        if not note.value:
            return StoredNote(note.key, user_id, note.name, 0, now_us, b"")
        expires_at_us = now_us + note.ttl_seconds * _US_PER_SECOND if note.ttl_seconds else None
        return StoredNote(note.key, user_id, note.name, self.version(note) + 1, expires_at_us, note.value)


def spelled(note: NewNote) -> str:
    """Return all of a note as one text, from which it can be told."""
    return f"{note.name}\x1e{note.expected_version}\x1e{note.ttl_seconds}\x1e{note.value.hex()}"


def _no_note(note: NewNote) -> StoredNote:
    return StoredNote(note.key, "", note.name, 0, None, b"")
