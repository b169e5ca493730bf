"""What a group knows of one project while its pushes are decided, one after the other: each counts for the next."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from syncline_server.sync.changes import Push, PushOutcome, Result, Version
from syncline_server.sync.circle import Checkpoint, after_push, at_rest, begin, expired, kinds_of, read_up_to
from syncline_server.sync.heads import UserHeads
from syncline_server.sync.history import History
from syncline_server.sync.notes import Notes
from syncline_server.sync.resolve import Resolution
from syncline_server.sync.retries import remember
from syncline_server.sync.revision import RevisionAllocator
from syncline_server.sync.shown import SessionPositions, is_in_full, news_before, position_for_answer, shown_by_push
from syncline_server.sync.store import News, RememberedPush


@dataclass(slots=True)
class GroupState:
    """What a group has read of a project, and what its pushes so far have made of it.

    What is found by key may be shared with the other projects of the group: keys are digests of their project, too.
    """

    history: History
    clock_us: int
    revisions: RevisionAllocator
    positions: SessionPositions
    stored_news: list[News]
    """For each item, what the store has that is news at the position shown before the group."""
    versions: dict[str, Version]
    lacks_data: bool
    """Data of some of these versions was left out."""
    remembered: dict[str, RememberedPush]
    """What is remembered of pushes, by their keys."""
    notes: Notes
    to_remember: dict[str, RememberedPush] = field(default_factory=dict)
    written: dict[str, Version] = field(default_factory=dict)
    written_for: dict[str, list[Version]] = field(default_factory=dict)
    """What the pushes have written so far, by user."""
    heads: UserHeads = field(default_factory=UserHeads)

    def news_before(self, push: Push, shown: int, stored: News) -> News:
        """Return what is news to the pusher, the group's earlier pushes included."""
        earlier = self.written_for.get(push.user_id, ())
        return news_before(push, shown, stored, earlier, self.heads.of(push.user_id, stored.head))

    def accept(self, push: Push, resolution: Resolution, shown: int, news: News) -> PushOutcome:
        """Take in a decided push and return its outcome."""
        written, head = resolution.written, resolution.head or news.head
        if resolution.notes:
            self.notes.write(push.user_id, resolution.notes)
            resolution.results = self._with_notes(push, resolution.results)
        checkpoint = self.checkpoint(push, resolution, shown, news, head)
        if written:
            self.versions.update(written)
            self.written.update(written)
            self.written_for.setdefault(push.user_id, []).extend(written.values())
            self.heads.move(push.user_id, news.head, min([one.revision for one in written.values()]), head)
        if push.push_id:
            # Where the clock was set back, the log's head keeps those of a device in order.
            kept = remember(push, resolution.results, head, max(self.clock_us, self.revisions.head))
            self.remembered[kept.key] = self.to_remember[kept.key] = kept
        return PushOutcome(resolution.results, checkpoint, head)

    def _with_notes(self, push: Push, results: Sequence[Result]) -> list[Result]:
        """Return results that tell the notes which were just written, but for their values."""
        return [
            result
            if change.note is None or result.note is not None
            else result._replace(note=self.notes.answer(change.note, with_value=False))
            for change, result in zip(push.changes, results, strict=True)
        ]

    def checkpoint(self, push: Push, resolution: Resolution, shown: int, news: News, head: int) -> Checkpoint:
        """Return what the pusher has, `head` being the user's head after the push (P9)."""
        if push.expected_head_ms is not None:
            return at_rest(self.history, head)
        asked = shown_by_push(push)
        if asked is None:
            return self._checkpoint_of_session(push, resolution, shown, news, head)
        if self.positions.is_lost(asked):
            return expired(asked, head)
        in_full = is_in_full(push, asked, resolution.results, self.versions, resolution.written)
        return after_push(asked, self.history, news.head, head, in_full=in_full)

    def _checkpoint_of_session(
        self, push: Push, resolution: Resolution, shown: int, news: News, head: int
    ) -> Checkpoint:
        if not push.device_known:
            return self._checkpoint_of_nobody(push, news.head, head)
        position, goes_on = position_for_answer(shown, news, resolution.written.values(), head)
        if goes_on:
            self.positions.answered(push, position)
        return read_up_to(position, self.history, max(position, head), kinds_of(push.entity_types()))

    def _checkpoint_of_nobody(self, push: Push, before: int, head: int) -> Checkpoint:
        """Return what the pusher has where nobody can tell: it gets all again.

        What others have written since its session was last answered comes first; without any, the session moves on.
        """
        high = self.positions.high(push, before)
        if before > high:
            return begin(self.history, high, head)
        self.positions.answered(push, head)
        return begin(self.history, head, head)
