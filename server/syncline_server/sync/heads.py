"""Which head the answer to a push tells: never one that later pushes of the same group add to (L2)."""

from syncline_server.sync.changes import MICROSECONDS_PER_MS


class UserHeads:
    """The heads of the users of a group, as its pushes move them.

    Pushes of a user may share a millisecond. A head is told in ms, and who names it has read all of that millisecond.
    So of the pushes that share one, the last tells it; the others tell the head before it. No reader sees between them.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._of_ms: dict[tuple[str, int], tuple[int, int]] = {}
        """User and ms → the head before that millisecond, and the last revision in it."""

    def of(self, user_id: str, stored: int) -> int:
        """Return a user's head, which is `stored` until the group has moved it."""
        return self._last.get(user_id, stored)

    def move(self, user_id: str, before: int, first: int, last: int) -> None:
        """Take in that a push has moved a user's head from `before`, by revisions from `first` to `last`."""
        ms = last // MICROSECONDS_PER_MS
        if first < ms * MICROSECONDS_PER_MS:  # more changes than a millisecond has revisions
            before = ms * MICROSECONDS_PER_MS - 1
        known_before, _ = self._of_ms.get((user_id, ms), (before, 0))
        self._of_ms[user_id, ms] = known_before, last
        self._last[user_id] = last

    def told(self, user_id: str, head: int) -> int:
        """Return the head to tell to a push after which the user's head was `head`, once the group is decided."""
        before, last = self._of_ms.get((user_id, head // MICROSECONDS_PER_MS), (head, head))
        return head if head == last else before
