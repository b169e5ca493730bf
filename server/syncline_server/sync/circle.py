"""What a checkpoint says of its reader: what it may lack, and which checkpoint follows (P9, T1)."""

import hashlib
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from syncline_server.sync.history import History, Position

MAX_KINDS: Final = 16
"""A checkpoint that was read with more entity types than this shows for none of them."""
KIND_BYTES: Final = 6


class Checkpoint(NamedTuple):
    """What its reader lacks lies after `revision`; while it is in a circle, also in (after, end] or in (0, rest]."""

    epoch_id: int
    """The epoch that committed `head`."""
    revision: int
    head: int
    """The head in the snapshot it was cut from, or after the push that it answers: lost history is judged by it."""
    kinds: tuple[bytes, ...] = ()
    """The entity types that it was read with, as digests, ascending; none: all types."""
    began: int = 0
    """Where a reading that is cut began; 0: it is not cut, or has never got any further."""
    after: int = 0
    end: int = 0
    """0: there is no circle."""
    rest: int = 0

    @property
    def vouched(self) -> Position:
        """Return the position whose history it is of (T1)."""
        return Position(self.epoch_id, self.head)

    @property
    def read_up_to(self) -> int:
        """Return up to where its reader lacks nothing at all."""
        if not self.end:
            return self.revision
        return 0 if self.rest else max(self.after, 0)

    def may_lack(self, revision: int) -> bool:
        """Tell whether its reader may lack the version of a revision."""
        return revision > self.revision or self.after < revision <= self.end or revision <= self.rest

    def shows(self, entity_types: Collection[str]) -> bool:
        """Tell whether it says something about each of these types."""
        return not self.kinds or all(digest_of_kind(one) in self.kinds for one in entity_types)

    @property
    def is_sound(self) -> bool:
        """Tell whether a checkpoint can be so."""
        if not 0 <= self.revision <= self.head or list(self.kinds) != sorted(set(self.kinds)):
            return False
        if not self.end:
            return self.after == self.rest == 0 <= self.began <= self.head
        if not self.end <= self.revision:
            return False
        if self.after == -1:
            return self.rest == self.began == 0 < self.end
        is_first = self.began == 0 <= self.rest <= self.after < self.end
        is_second = self.rest == 0 <= self.after < self.end < self.began <= self.revision
        return is_first or is_second


FROM_START: Final = Checkpoint(0, 0, 0)
"""Says that nothing has been read."""


@lru_cache(maxsize=4096)
def digest_of_kind(entity_type: str) -> bytes:
    """Return what stands for an entity type in checkpoints."""
    return hashlib.blake2b(entity_type.encode(), digest_size=KIND_BYTES).digest()


SHOWS_NONE: Final = (digest_of_kind(""),)
"""The kinds of a checkpoint that was read with too many types to name, or with none."""


def kinds_of(entity_types: Iterable[str]) -> tuple[bytes, ...]:
    """Return these types as the kinds of a checkpoint."""
    kinds = tuple(sorted({digest_of_kind(one) for one in entity_types}))
    return kinds if len(kinds) <= MAX_KINDS else SHOWS_NONE


def at_rest(history: History, revision: int, kinds: tuple[bytes, ...] = ()) -> Checkpoint:
    """Return the checkpoint of a reader that has everything up to the head `revision`."""
    return Checkpoint(history.at(revision).epoch_id, revision, revision, kinds)


def begin(history: History, revision: int, head: int) -> Checkpoint:
    """Return the checkpoint of a reader of whom nothing is known: news after `revision`, and all up to it again."""
    if not revision:
        return read_up_to(0, history, head, ())
    return Checkpoint(history.at(head).epoch_id, revision, head, after=-1, end=revision)


def begun_at(checkpoint: Checkpoint, place: int) -> Checkpoint:
    """Return a checkpoint whose circle has not begun as one that begins after `place`, or from the start."""
    place = place if place < checkpoint.end else 0
    return checkpoint._replace(after=place, rest=place)


def read_up_to(revision: int, history: History, head: int, kinds: tuple[bytes, ...]) -> Checkpoint:
    """Return the checkpoint of a reader that has everything up to `revision`, and something from as late as `head`."""
    began = 0 if revision == head else revision or head
    return Checkpoint(history.at(head).epoch_id, revision, head, kinds, began)


def after_page(
    asked: Checkpoint, history: History, revision: int, head: int, kinds: tuple[bytes, ...] = ()
) -> Checkpoint:
    """Return what a reader has after a page of what lies after `asked`: all up to `revision`, as of `head`."""
    began = 0 if revision == head else asked.began or asked.revision or head
    return Checkpoint(history.at(head).epoch_id, revision, head, kinds, began)


def after_circle(
    asked: Checkpoint,
    history: History,
    revision: int,
    head: int,
    left: tuple[int, int, int],
    kinds: tuple[bytes, ...] = (),
) -> Checkpoint:
    """Return what a reader has after a page of a circle, of which (after, end, rest) are left."""
    after, end, rest = left
    if end:
        # Where the first part has ended, the second was begun with it.
        began = asked.began if end == asked.end else asked.end
    else:
        began = 0 if revision == head else asked.began or asked.end
    return Checkpoint(history.at(head).epoch_id, revision, head, kinds, began, after, end, rest)


def left_after(last: int, following: int, asked: Checkpoint) -> tuple[int, int, int]:
    """Return what is left of a circle after a version, given the one that follows it: (after, end, rest)."""
    if following < last:
        return 0, asked.rest, 0
    return (last, asked.end, asked.rest) if last > asked.rest else (last, asked.rest, 0)


def unmoved(asked: Checkpoint, history: History, head: int) -> Checkpoint:
    """Return a checkpoint that says what it said, of a reader that has got something from as late as `head`."""
    is_at_rest = not asked.end and not asked.began and asked.revision < head
    began = (asked.revision or head) if is_at_rest else asked.began
    return asked._replace(epoch_id=history.at(head).epoch_id, head=head, began=began)


def after_push(asked: Checkpoint, history: History, before: int, after: int, *, in_full: bool) -> Checkpoint:
    """Return the checkpoint for a push that has shown `asked`.

    `before` and `after` are the user's head around the push; `in_full`: the reader knows all that the push has written.
    """
    if before > asked.revision or not in_full:
        return unmoved(asked, history, max(after, asked.head))
    epoch_id = history.at(after).epoch_id
    return asked._replace(epoch_id=epoch_id, revision=after, head=after, began=asked.began if asked.end else 0)


def expired(asked: Checkpoint, head: int) -> Checkpoint:
    """Return a checkpoint that has expired, which its next pull has to say: as it is, but for its head.

    A copy of the database in which `asked` is good need not have the pushes that it was shown in.
    """
    return asked._replace(head=max(asked.head, head))
