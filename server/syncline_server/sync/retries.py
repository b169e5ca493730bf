"""What a push with a push_id is known again by, and what its retry is answered (Q5, Q7)."""

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from syncline_server.sync.changes import Change, Push, Result, Version, absent_version
from syncline_server.sync.errors import PushIdReused
from syncline_server.sync.notes import Notes, spelled
from syncline_server.sync.store import RememberedPush

REMEMBERED_US: Final = 24 * 3600 * 1_000_000
"""How long a push is remembered, at least."""
_SWEEPERS: Final = frozenset("AB")
"""A key begins with one of 64 letters, each as likely: one push in 32 sweeps behind its device."""
_HEAD: Final = struct.Struct(">q")
_OUTCOME: Final = struct.Struct(">Bq")
_APPLIED, _CARRIES_DATA = 1, 2


class _Outcome(NamedTuple):
    """What became of a change the first time."""

    applied: bool
    carries_data: bool
    revision: int


@dataclass(frozen=True, slots=True)
class Recalled:
    """A push that had been decided before."""

    outcomes: Sequence[_Outcome]
    head: int
    """The user's head after it, the first time."""

    def needed_data(self, push: Push, versions: Mapping[str, Version]) -> Iterator[Version]:
        """Yield the stored versions whose large data the store has left out and the answer carries."""
        for change, outcome in zip(push.changes, self.outcomes, strict=True):
            stored = versions.get(change.key)
            if outcome.carries_data and stored is not None and stored.data is None:
                yield stored

    def results(self, push: Push, versions: Mapping[str, Version], notes: Notes) -> list[Result]:
        """Return the outcomes and revisions of the first time, with the data and the notes of today."""
        return [
            Result(
                outcome.applied,
                outcome.applied,
                _as_of(change, outcome, push, versions),
                outcome.carries_data,
                notes.answer(change.note, with_value=True) if change.note else None,
            )
            for change, outcome in zip(push.changes, self.outcomes, strict=True)
        ]


def recall(push: Push, remembered: RememberedPush | None, now_us: int) -> Recalled | None:
    """Return the push that this one is a retry of; None: none is remembered. Raises PushIdReused."""
    if remembered is None or remembered.expires_at_us <= now_us:
        return None
    if remembered.request_digest != request_digest(push):
        raise PushIdReused
    (head,) = _HEAD.unpack_from(remembered.outcomes)
    kept = _OUTCOME.iter_unpack(remembered.outcomes[_HEAD.size :])
    outcomes = [_Outcome(bool(flags & _APPLIED), bool(flags & _CARRIES_DATA), revision) for flags, revision in kept]
    return Recalled(outcomes, head)


def remember(push: Push, results: Iterable[Result], head: int, at_us: int) -> RememberedPush:
    """Return what is kept of a push that was decided `at_us`, after which the user's head was `head`."""
    outcomes = [
        _OUTCOME.pack(_APPLIED * one.applied | _CARRIES_DATA * one.carries_data, one.version.revision)
        for one in results
    ]
    return RememberedPush(
        push.push_key,
        push.user_id,
        push.device,
        push.push_id,
        request_digest(push),
        b"".join([_HEAD.pack(head), *outcomes]),
        at_us + REMEMBERED_US,
    )


def sweeps(remembered: RememberedPush) -> bool:
    """Tell whether a push sweeps out what is remembered beyond the limit: seldom, since each sweep looks at all."""
    return remembered.key[0] in _SWEEPERS


def request_digest(push: Push) -> bytes:
    """Identify the content of a push, which is all of it but the position that it shows; 16 bytes."""
    digest = hashlib.blake2b(f"{push.expected_head_ms}|{push.require_existing}".encode(), digest_size=16)
    for change in push.changes:
        digest.update(f"\x1f{_spelled(change)}".encode())
    for note in push.notes:
        digest.update(f"\x1d{spelled(note)}".encode())
    return digest.digest()


def made_id(user_id: str, push_id: str, index: int, change: Change) -> str:
    """Return the id of a create without one (Q7): a UUID (RFC 9562, version 8), the same for the same push again."""
    pushed = f"{user_id}\x1f{push_id}\x1f{index}\x1f{_spelled(change)}"
    made = hashlib.blake2b(pushed.encode(), digest_size=16).hexdigest()
    variant = "89ab"[int(made[16], 16) & 3]
    return f"{made[:8]}-{made[8:12]}-8{made[13:16]}-{variant}{made[17:20]}-{made[20:]}"


def _spelled(change: Change) -> str:
    """Return all of a change as one text; what it does not use is left out, as it is where that is not known yet.

    Its data, being JSON, has no control characters, and neither have ids.
    """
    lists = {
        "required": change.required_keys,
        "retained": change.retained_members,
        "identifying": change.identifying_members,
    }
    used = json.dumps({name: names for name, names in lists.items() if names}) if any(lists.values()) else ""
    return (
        f"{change.entity_type}\x1f{change.entity_id}\x1f{int(change.action)}|{change.client_timestamp_us}"
        f"|{change.base_revision}|{change.only_if_absent}|{used}|{change.data}"
    ) + (f"\x1d{spelled(change.note)}" if change.note else "")


def _as_of(change: Change, outcome: _Outcome, push: Push, versions: Mapping[str, Version]) -> Version:
    """Return today's version of an entity, of the revision of the first time; whole to what lost to nothing."""
    today = versions.get(change.key)
    if outcome.revision == 0:
        return absent_version(change, push.user_id) if outcome.applied or today is None else today
    if today is None:
        today = absent_version(change, push.user_id)
    created = min(today.created_revision, outcome.revision)
    return today._replace(revision=outcome.revision, created_revision=created)
