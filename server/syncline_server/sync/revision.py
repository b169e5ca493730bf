"""How revisions are drawn: positions in the log that are also commit times (L2)."""

from syncline_server.sync.changes import MICROSECONDS_PER_MS

Mark = tuple[int, int, str, int | None]


class RevisionAllocator:
    """Draws the revisions of one transaction, under the lock of the project's head.

    Revisions are strictly increasing. Their milliseconds are later than the head's, and no two pushes of one user
    share a millisecond, so that a user's head in ms names one head only.
    """

    def __init__(self, head: int, clock_us: int, not_before_us: int = 0) -> None:
        """Start after `head` (a revision) and not before `clock_us` (the store's clock, µs since the epoch)."""
        self.committed_ms = clock_us // MICROSECONDS_PER_MS
        ms = max(self.committed_ms, not_before_us // MICROSECONDS_PER_MS, head // MICROSECONDS_PER_MS + 1)
        self.head = head
        self._next = ms * MICROSECONDS_PER_MS
        self._user_heads: dict[str, int] = {}

    @property
    def now_ms(self) -> int:
        """The time of the push that has begun, later than that of anything its user has stored."""
        return self._next // MICROSECONDS_PER_MS

    def begin_push(self, user_id: str) -> None:
        """Begin a new millisecond if this user already has a push in the current one."""
        last = self._user_heads.get(user_id)
        if last is not None and last // MICROSECONDS_PER_MS >= self._next // MICROSECONDS_PER_MS:
            self._next = (last // MICROSECONDS_PER_MS + 1) * MICROSECONDS_PER_MS

    def draw(self, user_id: str) -> int:
        """Return the next revision."""
        revision = self._next
        self._next = revision + 1
        self.head = revision
        self._user_heads[user_id] = revision
        return revision

    def mark(self, user_id: str) -> "Mark":
        """Return a place to rewind to, before a push of this user."""
        return self.head, self._next, user_id, self._user_heads.get(user_id)

    def rewind(self, mark: "Mark") -> None:
        """Take back what the push drew since the mark: it is refused after all."""
        self.head, self._next, user_id, user_head = mark
        if user_head is None:
            self._user_heads.pop(user_id, None)
        else:
            self._user_heads[user_id] = user_head
