"""What a session has shown to have read, and what the answer to its push may therefore skip (P9).

Each question has one answer here, and reading and writing ask for it without knowing of each other:
- `shown_by_pull`: what a session shows by asking for a page;
- `SessionPositions`: which position a session has shown, over what the transaction has moved so far;
- `is_news` and `news_before`: whether anything after that position may be news to the session;
- `position_for_answer`: which position the answer to a push carries.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from syncline_server.sync.changes import Push, Version
from syncline_server.sync.history import History, Position
from syncline_server.sync.reading import Reading
from syncline_server.sync.store import News, ShownPosition

EVERYTHING: Final = 2**62
"""A position after everything; a client that names the head it expects has read up to it."""


@dataclass(frozen=True, slots=True)
class Presented:
    """The position that a reader has presented for some entity types (empty: all)."""

    project_id: int
    user_id: str
    session_key: str
    entity_types: tuple[str, ...]
    position: Position
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
    rises = any(shown < reading.position.revision for shown in _before(reading, stored)) and not reading.is_plain
    if not (rises or shows_less(reading, stored) or is_presenting):
        return None
    return Presented(
        reading.project_id,
        reading.user_id,
        reading.session_key,
        reading.entity_types,
        reading.position,
        only_lowers=reading.is_plain,
        device_known=reading.device_known,
    )


def shows_less(reading: Reading, stored: Mapping[str, int]) -> bool:
    """Tell whether a session asks for what lies before a position that is stored as shown."""
    return any(shown > reading.position.revision for shown in _before(reading, stored))


def _before(reading: Reading, stored: Mapping[str, int]) -> list[int]:
    if reading.entity_types:
        return [shown_for(stored, entity_type) for entity_type in reading.entity_types]
    return [stored.get("", 0), *stored.values()]


def shown_for(shown: Mapping[str, int], entity_type: str) -> int:
    """Return the position shown for a type: its own, or the one of all types without their own; 0: none."""
    return shown.get(entity_type, shown.get("", 0))


def needs_stored_position(push: Push) -> bool:
    """Tell whether a pusher's position is the one its session has shown before: the push itself does not show one.

    A client that sends push ids shows what it has read, so without a token it has read nothing: no guess is made.
    """
    return push.shown is None and push.expected_head_ms is None and push.session != "" and not push.push_id


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
        if push.shown is not None:
            return 0 if self.is_lost(push) else push.shown.revision
        shown = self._shown.get(push.session_key) if needs_stored_position(push) else None
        if not shown:
            return 0
        if not push.changes:
            return min(shown.values())
        return min([shown_for(shown, entity_type) for entity_type in push.entity_types()])

    def is_lost(self, push: Push) -> bool:
        """Tell whether the token in a push is of a lost history: its reader has to be told so by its next pull."""
        return push.shown is not None and not self._history.holds(push.shown, self._head)

    def present(self, presented: Presented) -> None:
        """Take in a presented position; one for all types replaces the ones of single types."""
        shown = self._shown.setdefault(presented.session_key, {})
        types: Collection[str] = presented.entity_types or {"", *shown}
        # Read before a new epoch began, it may be of a history that is lost meanwhile.
        held = presented.only_lowers or self._history.holds(presented.position, self._head)
        revision = presented.position.revision if held else 0
        for entity_type in types:
            if not presented.only_lowers or revision < shown_for(shown, entity_type):
                self._move(presented.session_key, entity_type, revision, presented)

    def answered(self, push: Push, position: int) -> None:
        """Take in that a session goes on from `position`: the answer to its push says so."""
        if needs_stored_position(push):
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
    """Return what is news to the reader that pushes, after the position `shown`.

    `stored` is the news after the position that was shown before the group; `earlier` is what earlier pushes of the
    group have written for the user, up to `head` (None: nothing).
    """
    user_head = stored.head if head is None else head
    if push.shown is not None:
        # Who wrote it is not asked: the readers of one session may be several, such as the tabs of one login.
        return News(user_head, user_head > shown)
    # An earlier push may have moved the position, to the user's head as a rule; then nothing stored is after it.
    by_others = (stored.by_others and shown < stored.head) or any(
        version.revision > shown and is_news(version, push.session) for version in earlier
    )
    return News(user_head, by_others)


def position_for_answer(
    push: Push, shown: int, before: News, written: Iterable[Version], head: int
) -> tuple[int, bool]:
    """Return the position that the answer to a push carries, and whether the session goes on from it.

    `before` is the news before the push, `written` what the push has stored, `head` the user's head after it. A
    session that may lack something of what lies before the head stays at the position that it has shown.
    """
    if push.push_id and push.shown is None and push.expected_head_ms is None:
        return 0, False
    merged_unseen = any(version.merged_unseen for version in written)
    if push.expected_head_ms is None and (before.by_others or merged_unseen):
        return shown, False
    return max(head, shown), True
