"""Notes: small values of a client's own, which belong to a user and are not in the log."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """A note as the server has it."""

    name: str
    version: int
    """1, and one more with each write; 0: there is none."""
    value: bytes
    """Empty where a push has just written it, and where there is none."""
    ttl_seconds: int = 0
    """For how long it is kept yet, where it was asked for by its name; 0: for ever."""


@dataclass(frozen=True, slots=True)
class NewNote:
    """A note to write."""

    name: str
    """1 to 256 bytes of UTF-8 without control characters; by convention `<what it is for>/<what>`."""
    value: bytes
    """At most 16 KiB; empty deletes the note."""
    expected_version: int | None = None
    """When set, the version that the note must have (0: there must be none)."""
    ttl_seconds: int = 0
    """For how long it is kept, counted anew from each write; 0: for ever."""
