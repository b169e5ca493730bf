"""What a load needs of the thing it verifies: ways in and out of it, whatever the protocol."""

from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple, Protocol

from syncline_client import NewChange
from syncline_verify.history import Entity, Entry, Reader


class Unanswered(Exception):
    """There was no answer, so the outcome is unknown; the same may be asked again."""


class Throttled(Exception):
    """Too many calls."""

    def __init__(self, seconds: float) -> None:
        """Wait so long before the next one."""
        super().__init__(f"too many calls; the next one in {seconds:g} s")
        self.seconds = seconds


class Refused(Exception):
    """The target answered that it will not do this."""


class Unreachable(Exception):
    """The target is not there, or does not let us in; the text says which."""


class Slice(NamedTuple):
    """A page, or a message of a stream."""

    entries: Sequence[Entry]
    token: str
    complete: bool
    """There was no more right then."""


class Door(Protocol):
    """One way of speaking to a target. Every call raises Unanswered, Throttled or Refused."""

    async def page(self, reader: Reader, token: str, size: int) -> Slice:
        """Read a page of a user after a token; empty: from the start."""
        ...


class WriteDoor(Door, Protocol):
    """A door for pushes."""

    async def push(self, user: str, changes: Sequence[NewChange], push_id: str) -> list[Entry | None]:
        """Push; returns for each change the version that it came to, None for one that lost a conflict.

        The same `push_id` goes with the same changes, however often they are sent. None, too, for an update that is
        recognised: what it came to then is not told again.
        """
        ...


class BidDoor(Door, Protocol):
    """A door for pushes that name a head."""

    async def head(self, user: str) -> int:
        """Return the head of a user, to bid against."""
        ...

    async def bid(self, user: str, head: int, change: NewChange) -> Entry | None:
        """Push a change if this is still the head; None: it is not."""
        ...


class FollowDoor(Door, Protocol):
    """A door for streams."""

    def follow(self, reader: Reader, token: str, *, live: bool = True) -> AsyncGenerator[Slice, None]:
        """Read everything after a token and, live, go on; outlives its connections."""
        ...


def entry_for(user: str, change: NewChange, revision: int, content: bytes | None) -> Entry:
    """Return the version that a pushed change came to."""
    return Entry(Entity(user, change.entity_type, change.entity_id), revision, content)
