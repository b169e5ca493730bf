"""What a session has shown to have read, and what the answer to its push may therefore skip (P9).

Each question has one answer here, and reading and writing ask for it without knowing of each other:
- `shown_by_pull`: what a device shows by asking for a page;
- `answered_by_pull`: how far a session without a device was answered by a page;
- `shown_by_push`: what a push shows itself, whoever's session it is in;
- `SessionPositions`: which position a session has shown, over what the transaction has moved so far;
- `is_news` and `news_before`: whether anything after that position may be news to the session;
- `is_in_full`: whether a push that shows a checkpoint leaves nothing in the log that its reader does not know;
- `position_for_answer`: which position the answer to a push carries that shows none.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from syncline_server.sync.changes import Action, Push, Result, Version
from syncline_server.sync.circle import FROM_START, Checkpoint
from syncline_server.sync.history import History
from syncline_server.sync.reading import Reading
from syncline_server.sync.store import News, ShownPosition

EVERYTHING: Final = 2**62
"""A position after everything; a client that names the head it expects has read up to it."""


@dataclass(frozen=True, slots=True)
class Presented:
    """What a device has presented for some entity types (empty: all), or a session without one has been answered."""

    project_id: int
    user_id: str
    session_key: str
    entity_types: tuple[str, ...]
    checkpoint: Checkpoint
    only_lowers: bool
    """It is a plain revision: no proof of having read up to it, but of not having read past it."""
    device_known: bool = False
    """The session is a device; else a session token."""


class Presenting(Protocol):
    """What reading needs of writing: presented positions are stored in one order with pushes."""

    def is_presenting(self, session_key: str) -> bool:
        """Tell whether a position of this session is on its way, so that what is stored of it is old."""

    async def present(self, presented: Presented) -> None:
        """Store a presented position, durably, before its reader gets an answer.

        Raises StoreUnavailable, and Overloaded.
        """


def shown_by_pull(reading: Reading, stored: Mapping[str, int], *, is_presenting: bool) -> Presented | None:
    """Return what a session shows by asking for a page; None: nothing that is news to the store.

    `stored` is what was stored of the session when the page was read, by entity type. While another position of the
    session is on its way into the store (`is_presenting`), what it shows is always news.
    """
    if reading.user_id is None or not reading.session_key:
        return None
    rises = any(shown < reading.checkpoint.read_up_to for shown in _before(reading, stored)) and not reading.is_plain
    if not (rises or shows_less(reading, stored) or is_presenting):
        return None
    return Presented(
        reading.project_id,
        reading.user_id,
        reading.session_key,
        reading.entity_types,
        reading.checkpoint,
        only_lowers=reading.is_plain,
        device_known=reading.device_known,
    )


def answered_by_pull(reading: Reading, following: Checkpoint, stored: Mapping[str, int]) -> Presented | None:
    """Return how far the answer to a pull goes, for a session without a device; None: no further than before.

    It is no store: what is kept of it says in which order to answer, and never what to skip. `stored` is what was kept.
    """
    if reading.user_id is None or not reading.session_key or reading.is_plain:
        return None
    types = reading.entity_types or ("",)
    if all(answered_for(stored, entity_type, 0) >= following.revision for entity_type in types):
        return None
    return Presented(
        reading.project_id,
        reading.user_id,
        reading.session_key,
        types,
        following,
        only_lowers=False,
        device_known=False,
    )


def shows_less(reading: Reading, stored: Mapping[str, int]) -> bool:
    """Tell whether a session asks for what lies before a position that is stored as shown."""
    return any(shown > reading.checkpoint.read_up_to for shown in _before(reading, stored))


def _before(reading: Reading, stored: Mapping[str, int]) -> list[int]:
    if reading.entity_types:
        return [shown_for(stored, entity_type) for entity_type in reading.entity_types]
    return [stored.get("", 0), *stored.values()]


def shown_for(shown: Mapping[str, int], entity_type: str) -> int:
    """Return the position shown for a type: its own, or the one of all types without their own; 0: none."""
    return shown.get(entity_type, shown.get("", 0))


def answered_for(answered: Mapping[str, int], entity_type: str, otherwise: int) -> int:
    """Return how far a session has been answered for a type: for itself, or with all types."""
    return max([answered[one] for one in (entity_type, "") if one in answered], default=otherwise)


def shown_by_push(push: Push) -> Checkpoint | None:
    """Return what a push shows itself, which no guess may replace; None: only its session can tell.

    A checkpoint that was not read with all types of the push says nothing about it. A client that sends push ids shows
    what it has read, and without a session there is nobody to ask: of these, nothing is taken for read.
    """
    if push.shown is not None and push.shown.shows(push.entity_types()):
        return push.shown
    return None if push.session and not push.push_id else FROM_START


def needs_stored_position(push: Push) -> bool:
    """Tell whether a pusher's position is the one its session has shown before: the push itself does not show one."""
    return push.expected_head_ms is None and shown_by_push(push) is None


class SessionPositions:
    """The positions that the sessions of one transaction have shown, and those of them that it moves."""

    def __init__(self, history: History, head: int, stored: dict[str, dict[str, int]]) -> None:
        """Start from what is stored (session key → entity type → revision), under the lock of the project's head."""
        self._history = history
        self._head = head
        self._shown = stored
        self._moved: dict[tuple[str, str], ShownPosition] = {}

    @property
    def moved(self) -> Collection[ShownPosition]:
        """The positions that have moved, each once."""
        return self._moved.values()

    def of_push(self, push: Push) -> int:
        """Return the position that the pusher has shown to have for every type of the push; 0: none."""
        if push.expected_head_ms is not None:
            return EVERYTHING
        checkpoint = shown_by_push(push)
        if checkpoint is not None:
            return 0 if self.is_lost(checkpoint) else checkpoint.read_up_to
        shown = self._shown.get(push.session_key)
        if not shown:
            return 0
        if not push.changes:
            return min(shown.values())
        return min([shown_for(shown, entity_type) for entity_type in push.entity_types()])

    def high(self, push: Push, head: int) -> int:
        """Return how far the session of a push without a device was answered for all its types; never: the head."""
        answered = self._shown.get(push.session_key, {})
        return min([answered_for(answered, one, head) for one in push.entity_types()], default=head)

    def is_lost(self, checkpoint: Checkpoint) -> bool:
        """Tell whether a checkpoint is of a lost history: its reader has to be told so by its next pull."""
        return not self._history.holds(checkpoint.vouched, self._head)

    def present(self, presented: Presented) -> None:
        """Take in a presented position; one for all types replaces the ones of single types."""
        if not presented.device_known:
            self._raise(presented)
            return
        shown = self._shown.setdefault(presented.session_key, {})
        types: Collection[str] = presented.entity_types or {"", *shown}
        # Read before a new epoch began, it may be of a history that is lost meanwhile.
        held = presented.only_lowers or not self.is_lost(presented.checkpoint)
        revision = presented.checkpoint.read_up_to if held else 0
        for entity_type in types:
            if not presented.only_lowers or revision < shown_for(shown, entity_type):
                self._move(presented.session_key, entity_type, revision, presented)

    def _raise(self, answered: Presented) -> None:
        """Take in how far a session without a device was answered."""
        shown = self._shown.setdefault(answered.session_key, {})
        for entity_type in () if self.is_lost(answered.checkpoint) else answered.entity_types:
            if answered.checkpoint.revision > shown.get(entity_type, -1):
                self._move(answered.session_key, entity_type, answered.checkpoint.revision, answered)

    def answered(self, push: Push, position: int) -> None:
        """Take in that a session goes on from `position`: the answer to its push says so."""
        for entity_type in push.entity_types():
            self._move(push.session_key, entity_type, position, push)

    def _move(self, session_key: str, entity_type: str, revision: int, by: Push | Presented) -> None:
        shown = self._shown.setdefault(session_key, {})
        if shown.get(entity_type) != revision:
            shown[entity_type] = revision
            self._moved[session_key, entity_type] = ShownPosition(
                session_key, entity_type, revision, by.user_id, by.device_known
            )


def is_news(version: Version, session: str) -> bool:
    """Tell whether a version may hold what a session that has not read it does not know."""
    return session == "" or version.session != session or version.merged_unseen


def news_before(push: Push, shown: int, stored: News, earlier: Iterable[Version], head: int | None) -> News:
    """Return what is news to the session that pushes, after the position `shown`.

    `stored` is the news after the position that was shown before the group; `earlier` is what earlier pushes of the
    group have written for the user, up to `head` (None: nothing).
    """
    # An earlier push may have moved the position, to the user's head as a rule; then nothing stored is after it.
    by_others = (stored.by_others and shown < stored.head) or any(
        version.revision > shown and is_news(version, push.session) for version in earlier
    )
    return News(stored.head if head is None else head, by_others)


def is_in_full(
    push: Push,
    shown: Checkpoint,
    results: Iterable[Result],
    before: Mapping[str, Version],
    written: Collection[str],
) -> bool:
    """Tell whether the reader of a push that shows a checkpoint knows all that the push has written.

    It does not where a change has lost to a version that another one of the same entity came over, since not every
    dialect tells which of them has lost; nor where one was merged over a version `before` the push that it may lack.
    """
    for change, result in zip(push.changes, results, strict=True):
        if change.key not in written:
            continue
        stored = before.get(change.key)
        merges = change.action is Action.UPDATE or bool(change.retained_members)
        if not result.applied or (merges and stored is not None and shown.may_lack(stored.revision)):
            return False
    return True


def position_for_answer(shown: int, before: News, written: Iterable[Version], head: int) -> tuple[int, bool]:
    """Return the position that the answer to a push carries which shows none, and whether the session goes on from it.

    `before` is the news before the push, `written` what the push has stored, `head` the user's head after it. A
    session that may lack something of what lies before the head stays at the position that it has shown.
    """
    if before.by_others or any(version.merged_unseen for version in written):
        return shown, False
    return max(head, shown), True
