"""How revisions are drawn: positions in the log that are also times (L2)."""

from typing import NamedTuple

from syncline_server.sync.changes import MICROSECONDS_PER_MS


class _Last(NamedTuple):
    """The last revision of a user, and whether its push has its millisecond alone."""

    revision: int
    alone: bool


Mark = tuple[int, int, str, _Last | None]


class RevisionAllocator:
    """Draws the revisions of one transaction, under the lock of the project's head.

    Revisions are strictly increasing, and their milliseconds are later than the head's. A push that names an expected
    head shares its milliseconds with no other push of its user.
    """

    def __init__(self, head: int, clock_us: int, not_before_us: int = 0) -> None:
        """Start after `head` (a revision) and not before `clock_us` (the store's clock, µs since the epoch)."""
        self.committed_ms = clock_us // MICROSECONDS_PER_MS
        """The time of the commit, by the store's clock, whatever the place in the log."""
        self.first_ms = max(self.committed_ms, not_before_us // MICROSECONDS_PER_MS, head // MICROSECONDS_PER_MS + 1)
        self.head = head
        self._next = self.first_ms * MICROSECONDS_PER_MS
        self._last_of_users: dict[str, _Last] = {}
        self._alone = False

    def begin_push(self, user_id: str, *, alone: bool = False) -> None:
        """Begin a new millisecond where this push, or the user's one before in this millisecond, has it alone."""
        self._alone = alone
        last = self._last_of_users.get(user_id)
        if last is None or not (alone or last.alone):
            return
        last_ms = last.revision // MICROSECONDS_PER_MS
        if last_ms >= self._next // MICROSECONDS_PER_MS:
            self._next = (last_ms + 1) * MICROSECONDS_PER_MS

    def draw(self, user_id: str) -> int:
        """Return the next revision."""
        revision = self._next
        self._next = revision + 1
        self.head = revision
        self._last_of_users[user_id] = _Last(revision, self._alone)
        return revision

    def added_ms(self) -> int:
        """Return how many milliseconds the revisions take that were drawn."""
        return max(self.head // MICROSECONDS_PER_MS - self.first_ms + 1, 0)

    def mark(self, user_id: str) -> "Mark":
        """Return a place to rewind to, before a push of this user."""
        return self.head, self._next, user_id, self._last_of_users.get(user_id)

    def rewind(self, mark: "Mark") -> None:
        """Take back what the push drew since the mark: it is refused after all."""
        self.head, self._next, user_id, last = mark
        if last is None:
            self._last_of_users.pop(user_id, None)
        else:
            self._last_of_users[user_id] = last
