"""What a change, a stored version and a push are."""

import hashlib
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from syncline_server.sync.circle import Checkpoint
from syncline_server.sync.keys import push_key, session_key
from syncline_server.sync.notes import NewNote, NoteAnswer, spelled

MICROSECONDS_PER_MS = 1000
_DEVICE: Final = "device:"
"""What a session begins with that is a device; see identity."""


class Action(IntEnum):
    """What a change does to its entity; the numbers are those of the contract."""

    CREATE = 1
    UPDATE = 2
    DELETE = 3


class Change(NamedTuple):
    """One pushed change, well-formed. A named tuple, not a dataclass: a push builds hundreds of them."""

    key: str
    """The key of the entity; see sync/keys.py."""
    entity_type: str
    entity_id: str
    action: Action
    data: str
    """JSON object text."""
    client_timestamp_us: int | None
    base_revision: int | None
    required_keys: tuple[str, ...] = ()
    """The keys of entities that have to be there."""
    only_if_absent: bool = False
    retained_members: tuple[str, ...] = ()
    """What the tombstone of a delete keeps of the stored object."""
    identifying_members: tuple[str, ...] = ()
    """What the entity is known by: the same in `data` and in the stored object."""
    note: NewNote | None = None
    """Written if the change is applied (N3)."""

    @property
    def pushed(self) -> str:
        """What makes it the same change when it comes again (P3)."""
        pushed = f"{int(self.action)}|{self.client_timestamp_us}|{self.data}"
        return pushed if self.note is None else f"{pushed}\x1d{spelled(self.note)}"


class Version(NamedTuple):
    """The stored state of one entity; a tombstone where `deleted`."""

    key: str
    user_id: str
    entity_type: str
    entity_id: str
    deleted: bool
    data: str | None
    """JSON object text; None only where the store left out large data (see Store.versions)."""
    size_bytes: int
    """The size of `data` as UTF-8."""
    revision: int
    created_revision: int
    committed_ms: int
    """The store's clock at the commit, ms since the Unix epoch; unlike its position, it may lie before that of others.
    """
    client_timestamp_us: int | None
    """When the client made the change, as it was sent."""
    session: str
    """The session that wrote it; empty when not known."""
    merged_unseen: bool
    """It is merged over a version that its session had not been shown, or follows a change that lost to it in the same
    push, so the session may not know it all."""
    digest: bytes
    """The digest of the changes that made it; see Push.digests."""

    @property
    def shown_timestamp_us(self) -> int:
        """The time of the change that readers are told: the client's, but no later than that of the commit."""
        sent_us = self.client_timestamp_us
        if sent_us is not None and sent_us // MICROSECONDS_PER_MS <= self.committed_ms:
            return sent_us
        return self.committed_ms * MICROSECONDS_PER_MS


def version_of(
    change: Change,
    user_id: str,
    *,
    deleted: bool,
    data: str,
    size_bytes: int,
    revision: int,
    created_revision: int,
    committed_ms: int,
    client_timestamp_us: int | None,
    session: str,
    merged_unseen: bool,
    digest: bytes,
) -> Version:
    """Return a version of the entity that a change is about.

    The names are given here, as a named tuple takes twice as long to make by name as by place.
    """
    return Version(
        change.key,
        user_id,
        change.entity_type,
        change.entity_id,
        deleted,
        data,
        size_bytes,
        revision,
        created_revision,
        committed_ms,
        client_timestamp_us,
        session,
        merged_unseen,
        digest,
    )


def absent_version(change: Change, user_id: str) -> Version:
    """Return the version of an entity that does not exist: deleted, at revision 0."""
    return version_of(
        change,
        user_id,
        deleted=True,
        data="",
        size_bytes=0,
        revision=0,
        created_revision=0,
        committed_ms=0,
        client_timestamp_us=0,
        session="",
        merged_unseen=False,
        digest=b"",
    )


class Push(NamedTuple):
    """Changes that one user pushes at once, well-formed."""

    project_id: int
    user_id: str
    session: str
    """The device if known, else a hash of the session token; empty for a server key that names no device."""
    device_known: bool
    changes: tuple[Change, ...]
    shown: Checkpoint | None = None
    """What the push shows to have been read, be it nothing at all; None: it does not say."""
    expected_head_ms: int | None = None
    require_existing: bool = False
    push_id: str = ""
    """Names the push, so that it is recognised when it comes again (Q5); empty: it has none."""
    notes: tuple[NewNote, ...] = ()
    """Written if the push is applied (N2)."""

    @property
    def device(self) -> str:
        """The device that pushes; empty when it is not known."""
        return self.session if self.device_known else ""

    @property
    def push_key(self) -> str:
        """What it is remembered under (Q5); empty: it is not."""
        return push_key(self.project_id, self.user_id, self.device, self.push_id) if self.push_id else ""

    @property
    def session_key(self) -> str:
        """What the positions of its session are kept under (P9); empty: nothing is kept."""
        return session_key(self.project_id, self.user_id, self.session)

    def digests(self) -> dict[str, bytes]:
        """Return what a retry is known by (P3), by entity key: 16 bytes over its changes, in order, and the push_id."""
        pushed: dict[str, str] = {}
        for change in self.changes:
            earlier = pushed.get(change.key)
            # JSON has no control characters as they are, so where a change ends cannot be forged.
            pushed[change.key] = change.pushed if earlier is None else f"{earlier}\x1e{change.pushed}"
        named = f"\x1f{self.push_id}" if self.push_id else ""
        return {key: hashlib.blake2b((text + named).encode(), digest_size=16).digest() for key, text in pushed.items()}

    def entity_types(self) -> set[str]:
        """Return the types of the entities that the push changes."""
        return {change.entity_type for change in self.changes}

    def entity_keys(self) -> Iterator[str]:
        """Yield the keys of all entities that the push changes or requires."""
        for change in self.changes:
            yield change.key
            yield from change.required_keys

    def all_notes(self) -> list[NewNote]:
        """Return its notes and those of its changes; none is named twice."""
        return [*self.notes, *[change.note for change in self.changes if change.note is not None]]


class Result(NamedTuple):
    """What became of one change."""

    applied: bool
    replayed: bool
    version: Version
    carries_data: bool
    """Whether the answer has to carry `version.data`: the pusher does not know it."""
    note: NoteAnswer | None = None
    """The note of the change; None: it has none."""


class PushOutcome(NamedTuple):
    """What became of a push."""

    results: list[Result]
    checkpoint: Checkpoint
    """What the token to return stands for (P9)."""
    head_revision: int
    """The user's head after the push; 0 without changes."""


def is_device(session: str) -> bool:
    """Tell whether a session is a known device."""
    return session.startswith(_DEVICE)
