"""Which push is a retry, and what is answered to it: Q1 to Q8, as functions over values.

Q5's memory is a value, too: what a user and device (or the user alone, where the device is unknown) pushed lately.
A create without an id and without a push_id gets a random one: nothing could know it again.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

REMEMBERED = 64
DAY_MS = 24 * 3_600_000


class PushIdReused(Exception):
    """A push_id came with other content (Q5, Q6): INVALID_ARGUMENT."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an entity; without one, of an entity that it creates."""

    action: str
    data: str = ""
    client_ms: int | None = None
    base_revision: int | None = None
    entity: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is kept with a version: the digest of the changes that made it, and their device ("": unknown)."""

    revision: int
    digest: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change: applied, replayed or conflict, and the revision of its entity then; no data."""

    status: str
    entity: str
    revision: int


@dataclass(frozen=True, slots=True)
class Remembered:
    push_id: str
    request: str
    outcomes: tuple[Outcome, ...]
    at_ms: int


Memory = tuple[Remembered, ...]


def digest_of(*parts: object) -> str:
    """Digest parts so that no two lists of parts look alike."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def digest(changes: Sequence[Change], push_id: str = "") -> str:
    """Q1: the digest of a version over all changes of its entity in its push, in order, and the push_id."""
    return digest_of(push_id, *([one.action, one.client_ms, one.data] for one in changes))


def is_replay(stored: Stored | None, changes: Sequence[Change], push_id: str = "", device: str = "") -> bool:
    """Q1 to Q3: whether these changes of one entity are the ones that made the stored version."""
    if stored is None or stored.digest != digest(changes, push_id):
        return False
    if stored.device and device and stored.device != device:  # Q2
        return False
    return changes[-1].base_revision != stored.revision  # Q3: made on top of it, so a new edit


def request_digest(changes: Sequence[Change], expected_head: int | None = None) -> str:
    """Q5: the digest of a whole request, by which the same content is known."""
    fields = ([one.entity, one.action, one.client_ms, one.base_revision, one.data] for one in changes)
    return digest_of(expected_head, *fields)


def owner(user: str, device: str = "", session: str = "") -> tuple[str, str]:
    """Q5: whose memory it is; never the session's, since tokens are renewed."""
    return user, device


def recall(memory: Memory, push_id: str, request: str, now_ms: int) -> tuple[Outcome, ...] | None:
    """Q4, Q5: the outcomes of the push with this id, applied ones as replayed; None: it is not remembered."""
    for one in memory:
        if push_id and one.push_id == push_id and now_ms - one.at_ms < DAY_MS:
            if one.request != request:
                raise PushIdReused(push_id)
            return tuple(replayed(outcome) for outcome in one.outcomes)
    return None


def replayed(outcome: Outcome) -> Outcome:
    status = "replayed" if outcome.status == "applied" else outcome.status
    return Outcome(status, outcome.entity, outcome.revision)


def remember(memory: Memory, push_id: str, request: str, outcomes: Sequence[Outcome], now_ms: int) -> Memory:
    """Q5, Q8: the last 64 of a day; a refused push has no outcomes and is not remembered."""
    kept = [one for one in memory if now_ms - one.at_ms < DAY_MS and one.push_id != push_id]
    new = [Remembered(push_id, request, tuple(outcomes), now_ms)] if push_id else []
    return tuple((kept + new)[-REMEMBERED:])


def new_id(user: str, push_id: str, index: int, change: Change) -> str:
    """Q7: the id of a create without one."""
    return digest_of(user, push_id, index, [change.action, change.client_ms, change.data])[:32]
