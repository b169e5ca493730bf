"""The answers of the server and of the model as plain values, so that they can be compared."""

import base64
import json
from collections.abc import Callable
from typing import Any

import grpc

from harness import ACTIONS, failure
from model.calls import Page, Pushed, Refused, Version
from syncline.v1 import sync_pb2

ACTION_NAMES = {number: name for name, number in ACTIONS.items()}
_OUTCOMES = {(sync_pb2.OUTCOME_APPLIED, False): "applied", (sync_pb2.OUTCOME_APPLIED, True): "replayed"}

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
    facts = {name: int(told.metadata[name]) for name in ("index", "head_ms") if name in told.metadata}
    return Refused(told.reason, **facts)


def told_push(answer: Any) -> Any:
    """Return an answer to a push, its token apart, as plain values."""
    if isinstance(answer, Refused):
        return answer.reason, answer.facts
    results = [
        (_OUTCOMES.get((one.outcome, one.replayed), "conflict"), told_change(one.change)) for one in answer.results
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
            results.append((one.outcome, None))
            continue
        results.append((one.outcome, wanted_change(as_pushed(version), version, shows_data=one.shows_data)))
    return results, expected.head_ms


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


def position_in(token: str) -> int:
    """Return the revision in a token; where it stands is not for clients to know."""
    return int.from_bytes(base64.urlsafe_b64decode(token)[18:26], "big")
