"""How a version goes out: the store keeps most of it in the form in which it is sent, so that a page is only joined.

To fill in a message field by field takes longer than the database takes to find its row (docs/performance.md).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from syncline_server.sync.changes import Action, Version


@dataclass(frozen=True, slots=True)
class Layout:
    """A laid out version is its opening, its data in UTF-8, and a closing. Joined, several of them are a list.

    What the parts say is for rpc/codec.py alone to know.
    """

    opening: Callable[[Version], bytes]
    """What there is to tell of a version but for its data; the same for every reader, and stored with it."""
    closings: Mapping[Action, bytes]
    """What the version is to its reader."""


def action_of(deleted: bool, created_revision: int, after_revision: int) -> Action:
    """Return what a version is to a reader at a position."""
    if deleted:
        return Action.DELETE
    return Action.CREATE if created_revision > after_revision else Action.UPDATE
