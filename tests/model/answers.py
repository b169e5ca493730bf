"""The answers of the server and of the model as plain values, so that they can be compared."""

import base64
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import grpc

from harness import ACTIONS, failure
from model import notes
from model.calls import Claim, Page, Pushed, Refused, Version
from syncline.v1 import sync_pb2

ACTION_NAMES = {number: name for name, number in ACTIONS.items()}
_OUTCOMES = {(sync_pb2.OUTCOME_APPLIED, False): "applied", (sync_pb2.OUTCOME_APPLIED, True): "replayed"}

_PLAIN = "A" * 56
"""As long as a token that says nothing but a position."""

Told = dict[str, Any]
"""A change as a client is told it."""


def answered(call: Callable[[], Any]) -> Any:
    """Make a call; return its answer, or Refused."""
    try:
        return call()
    except grpc.RpcError as error:
        return refusal(error)


def refusal(error: grpc.RpcError) -> Refused:
    """Return what a failed call says, in the words of the model."""
    told = failure(error)  # type: ignore[arg-type]  # a call, too
    facts = {name: int(told.metadata[name]) for name in ("index", "head_ms", "version") if name in told.metadata}
    return Refused(told.reason, **facts)


def told_push(answer: Any) -> Any:
    """Return an answer to a push, its token apart, as plain values."""
    if isinstance(answer, Refused):
        return answer.reason, answer.facts
    results = [
        (_OUTCOMES.get((one.outcome, one.replayed), "conflict"), told_change(one.change), told_note(one))
        for one in answer.results
    ]
    return results, answer.head_ms


def wanted_push(expected: Pushed | Refused) -> Any:
    """Return the same of what the model foretells."""
    if isinstance(expected, Refused):
        return expected.reason, expected.facts
    results = []
    for one in expected.results:
        version = one.version
        if version is None:
            results.append((one.outcome, None, one.note))
            continue
        results.append((one.outcome, wanted_change(as_pushed(version), version, shows_data=one.shows_data), one.note))
    return results, expected.head_ms


def told_note(result: sync_pb2.PushResult) -> notes.Told | None:
    """Return the note of a result; None: it has none."""
    note = result.note
    return notes.Told(note.name, note.version, note.value) if result.HasField("note") else None


def as_pushed(version: Version) -> str:
    """Return the action of a version that is relative to no position."""
    return "delete" if version.deleted else "create" if version.created == version.revision else "update"


def told_page(answer: Any) -> Any:
    """Return an answer to a pull, its token apart, as plain values."""
    if isinstance(answer, Refused):
        return answer.reason, answer.facts
    changes = [told_change(change) for change in answer.changes]
    return changes, answer.has_more, answer.head_ms, answer.total_size, answer.reset


def wanted_page(expected: Page | Refused) -> Any:
    """Return the same of what the model foretells."""
    if isinstance(expected, Refused):
        return expected.reason, expected.facts
    changes = [wanted_change(action, version) for action, version in expected.versions]
    return changes, expected.has_more, expected.head_ms, expected.total, expected.reset


def told_change(change: sync_pb2.Change) -> Told | None:
    """Return a change as plain values; None for an entity that never existed."""
    if not change.revision:
        assert not change.data
        assert change.action == sync_pb2.ACTION_DELETE
        return None
    return {
        "entity": (change.entity_type, change.entity_id),
        "action": ACTION_NAMES[change.action],
        "data": json.loads(change.data) if change.data else None,
        "at_us": change.client_timestamp.ToMicroseconds(),
        "revision": change.revision,
        "created": change.created_revision,
        "user": change.user_id,
    }


def wanted_change(action: str, version: Version, *, shows_data: bool = True) -> Told:
    """Return the same of a version of the model."""
    return {
        "entity": version.entity,
        "action": action,
        "data": version.data if shows_data else None,
        "at_us": version.at_us,
        "revision": version.revision,
        "created": version.created,
        "user": version.user,
    }


def is_of_unknown_key(token: str, known: str) -> bool:
    """Tell whether a token has the form of one, and names another key than a known one."""
    raw, (_, key_id) = base64.urlsafe_b64decode(token), base64.urlsafe_b64decode(known)[:2]
    return raw[0] == (1 if len(token) == len(_PLAIN) else 2) and raw[1] != key_id


def claim_in(token: str) -> Claim:
    """Return what a token says, its types as digests; where it stands is not for clients to know."""
    raw = base64.urlsafe_b64decode(token)[:-16]
    m = int.from_bytes(raw[18:26], "big")
    if raw[0] == 1:
        return Claim(m, m)
    p, e, shared, h, count = struct.unpack(">qqqqB", raw[26:59])
    kinds = [raw[59 + at * 6 : 65 + at * 6].hex() for at in range(count)]
    s, g = (shared, 0) if e and shared <= p else (0, shared)
    return Claim(m, h, p, e, s, g, 0, frozenset(kinds))


def wanted_claim(claim: Claim) -> Claim:
    """Return the same of what the model foretells."""
    kinds = frozenset(blake2b(kind.encode(), digest_size=6).hexdigest() for kind in claim.kinds)
    return replace(claim, kinds=kinds)


def position_in(token: str) -> int:
    """Return the revision in a token."""
    return claim_in(token).m
