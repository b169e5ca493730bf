"""The statements on the hot paths: what each is asked and answers, and the text that both databases share.

They are text and not Core expressions because their plans are part of the design: tests/server/store/test_plans.py
asserts the index that each one uses. Parameters are positional, as the drivers take them; written $1, $2, … here.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class PageShape:
    """What of a page's statement depends on the question."""

    of_user: bool
    of_types: bool
    with_total: bool
    with_shown: bool


@dataclass(frozen=True, slots=True)
class CircleShape:
    """What of a circle's statement depends on the question."""

    of_types: bool
    with_total: bool
    with_shown: bool
    begins: bool


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements of one database; each comment names the parameters in order."""

    many: Callable[[Collection[Any]], Any]
    """The parameter that stands for many values."""
    lock_head: str
    """project id → project id, id of the epoch in force, the oldest schema that a row may be of; nobody else writes
    from then on."""
    lock_heads: Callable[[bool], str]
    """project ids → the same, the id of the epoch perhaps NULL. What others have locked is waited for, or left out."""
    locked_heads: Callable[[bool], str]
    """project id (of one project), or project ids → project id, head, clock in µs or NULL.

    A statement of its own: it sees what was committed before the lock."""
    history: str
    """project id → number, id, start in µs, fork of each epoch that has one; then the one in force, fork NULL."""
    positions: Callable[[bool], str]
    """project id (of one project, or not at all), session keys → session key, entity type, revision."""
    news: Callable[[bool], str]
    """project id and queries (of one project), or queries, each with its project → ordinal, head, by others."""
    versions: Callable[[bool], str]
    """project id (as for positions), keys, largest size in bytes → columns of Version, data NULL where larger."""
    large_data: str
    """project id, keys → key, data."""
    write: str
    """project id, columns of Version, opening → nothing."""
    save_positions: str
    """project id, columns of a position → nothing."""
    remembered: Callable[[bool], str]
    """project id (as for positions), keys → columns of RememberedPush."""
    remember: str
    """project id, columns of a push → nothing."""
    notes: Callable[[bool], str]
    """project id (as for positions), keys → columns of StoredNote."""
    write_notes: str
    """project id, columns of a note → nothing."""
    forget: str
    """project id, time in µs, users and devices → nothing. What has expired by that time is left to the clean-up."""
    heads: str
    """project ids → project id, head, id of the epoch in force."""
    page: Callable[[PageShape, bool], str]
    """project id, user, session key, position, types, limit, skip, closings, bytes, start → one row and snapshot (L5).

    Of it: id of the epoch in force, the project's head, the user's, the total, what the session has shown as JSON; then
    the versions, laid out and joined, their number, how many are not among them, the revision of the last one, and
    whether there is more (NULL: if the user's head is after it). The closings are those of a tombstone, of what is new
    to the reader, and of what is not. The page begins at its start, which is the position or past it.

    A page leaves out versions whose data has more bytes than asked for; by size, it ends where it has so many bytes. To
    look at sizes first takes half as long again.
    """
    entities: Callable[[bool, bool], str]
    """project id, user, keys, closings, bytes, keys of notes → a header, then a row for each key that there is.

    By size or not; with notes or not, without which no keys of them are passed.

    A row has the place of its key, from 0, and the version, laid out; NULL where it is left out, and by size from there
    on. The header has -1 and NULL, then the user's head, the oldest schema that a row may be of, and at the end the
    clock in µs or NULL. Notes have -2, the value, the version, the key, and when it expires.
    """
    circle: Callable[[CircleShape], str]
    """The parameters of a page but for the start, then after, end and rest → one row a version, one at least.

    Of it: id of the epoch in force, the project's head, the user's, the total, what the session has shown as JSON; then
    the part (0: news, 1: newest, 2 and 3: the circle), the revision, the version laid out. It is NULL where its part
    has more bytes up to it than asked for; the first of a part never is. Parts come in any order.
    """
    recent: Callable[[bool], str]
    """project id, position, limit, bytes → a header, then the columns of RecentVersion, by size or not as in a page.

    What is left out is NULL. The header has the project's head for a revision, and for a created_revision the id of the
    epoch in force.
    """


VERSION_COLUMNS: Final = (
    "entity_key, user_id, entity_type, entity_id, deleted, data, size_bytes, revision, created_revision, committed_ms, "
    "client_timestamp_us, session, merged_unseen, digest"
)
UPSERT: Final = """
    ON CONFLICT (entity_key, project_id) DO UPDATE
        SET deleted = excluded.deleted, data = excluded.data, opening = excluded.opening,
        size_bytes = excluded.size_bytes, revision = excluded.revision, created_revision = excluded.created_revision,
        committed_ms = excluded.committed_ms, client_timestamp_us = excluded.client_timestamp_us,
        session = excluded.session, merged_unseen = excluded.merged_unseen, digest = excluded.digest"""
UPSERT_POSITION: Final = """
    ON CONFLICT (session_key, entity_type, project_id) DO UPDATE SET user_id = excluded.user_id,
        with_device = excluded.with_device, revision = excluded.revision, expires_at_us = excluded.expires_at_us"""

POSITION_COLUMNS: Final = "session_key, entity_type, revision, user_id, with_device, expires_at_us"
NOTE_COLUMNS: Final = "note_key, owner, name, version, expires_at_us, value"
UPSERT_NOTE: Final = """
    ON CONFLICT (note_key, project_id) DO UPDATE SET version = excluded.version,
        expires_at_us = excluded.expires_at_us, value = excluded.value"""
PUSH_COLUMNS: Final = "push_key, user_id, device, push_id, request_digest, outcomes, expires_at_us"
UPSERT_PUSH: Final = """
    ON CONFLICT (push_key, project_id) DO UPDATE SET request_digest = excluded.request_digest,
        outcomes = excluded.outcomes, expires_at_us = excluded.expires_at_us"""
HISTORY: Final = """
    SELECT epochs.number, epochs.id, epochs.started_at_us, epoch_forks.fork_revision
    FROM epoch_forks JOIN epochs ON epochs.number = epoch_forks.epoch_number WHERE epoch_forks.project_id = $1
    UNION ALL
    SELECT epochs.number, epochs.id, epochs.started_at_us, NULL
    FROM heads JOIN epochs ON epochs.id = heads.epoch_id WHERE heads.project_id = $1
    ORDER BY 1"""
