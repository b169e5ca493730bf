"""Whether pushed changes are well-formed, and the changes of the rules that they stand for (P1)."""

import os
from collections.abc import Sequence
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from syncline import words
from syncline.v1 import sync_pb2
from syncline_server.rpc.counts import Count
from syncline_server.rpc.json_object import are_small_objects, json_problem
from syncline_server.rpc.notes import note_of, problem_of
from syncline_server.sync.changes import Action, Change
from syncline_server.sync.errors import ChangeInvalid
from syncline_server.sync.keys import entity_key
from syncline_server.sync.notes import NewNote
from syncline_server.sync.retries import made_id

ENTITY_TYPE_PROBLEM: Final = f"must be {words.ENTITY_TYPE_FORM}"
_MAX_REQUIRED: Final = 16
_MAX_RETAINED: Final = 16
_MAX_IDENTIFYING: Final = 16
CHANGE_COUNTS: Final = {
    "required_entities": Count(_MAX_REQUIRED),
    "retained_members": Count(_MAX_RETAINED),
    "identifying_members": Count(_MAX_IDENTIFYING),
}
"""The repeated fields of a change."""
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59Z
_NANOS: Final = 1_000_000_000
_ACTIONS: Final = {int(action): action for action in Action}


def changes_of(
    changes: Sequence[sync_pb2.Change], project_id: int, user_id: str, *, push_id: str, max_data_bytes: int
) -> tuple[Change, ...]:
    """Return the changes of a user that these messages stand for. Raises ChangeInvalid for the first malformed one.

    Creates without an id get one: made of the `push_id` (Q7), or at random where there is none.
    """
    texts = [change.data for change in changes if change.data]
    data_is_good = len(texts) > 1 and are_small_objects(texts) and max(map(len, texts)) <= max_data_bytes
    most_bytes = None if data_is_good else max_data_bytes
    made = [_change_of(index, change, project_id, user_id, most_bytes) for index, change in enumerate(changes)]
    if not all(change.entity_id for change in made):
        made = [_with_id(index, change, project_id, user_id, push_id) for index, change in enumerate(made)]
    return tuple(made)


def _change_of(
    index: int, change: sync_pb2.Change, project_id: int, user_id: str, max_data_bytes: int | None
) -> Change:
    """Return one change. What most changes do not have is not looked into, nor data that is known to be good (None)."""
    entity_type = change.entity_type
    if not words.match_entity_type(entity_type):
        raise ChangeInvalid(index, "entity_type", ENTITY_TYPE_PROBLEM)
    action = _ACTIONS.get(change.action)
    if action is None:
        raise ChangeInvalid(index, "action", "must be create, update or delete")
    entity_id = change.entity_id
    if entity_id or action is not Action.CREATE:
        _check_entity_id(index, "entity_id", entity_id)
    if change.only_if_absent and action is not Action.CREATE:
        raise ChangeInvalid(index, "only_if_absent", "goes with a create alone")
    return Change(
        entity_key(project_id, user_id, entity_type, entity_id) if entity_id else "",
        entity_type,
        entity_id,
        action,
        change.data.decode() or "{}" if max_data_bytes is None else _data(index, change.data, max_data_bytes),
        _timestamp_us(index, change.client_timestamp) if change.HasField("client_timestamp") else None,
        _base_revision(index, change.base_revision) if change.HasField("base_revision") else None,
        _required_keys(index, change, project_id, user_id) if change.required_entities else (),
        change.only_if_absent,
        _retained_members(index, change, action) if change.retained_members else (),
        _identifying_members(index, change) if change.identifying_members else (),
        _note(index, change.note, project_id, user_id) if change.HasField("note") else None,
    )


def _with_id(index: int, change: Change, project_id: int, user_id: str, push_id: str) -> Change:
    """Return a change with an id: its own, or a new one (P8)."""
    if change.entity_id:
        return change
    entity_id = made_id(user_id, push_id, index, change) if push_id else _new_id()
    return change._replace(key=entity_key(project_id, user_id, change.entity_type, entity_id), entity_id=entity_id)


def _data(index: int, data: bytes, max_data_bytes: int) -> str:
    if not data:
        return "{}"
    if len(data) > max_data_bytes:
        too_large = f"must be at most {max_data_bytes} bytes, got {len(data)}"
        raise ChangeInvalid(index, "data", too_large, limit_bytes=max_data_bytes)
    problem = json_problem(data)
    if problem is not None:
        raise ChangeInvalid(index, "data", problem)
    return data.decode()


def _new_id() -> str:
    """Return a random UUID (RFC 9562, version 4), at a third of what the module's own costs."""
    drawn = os.urandom(16).hex()
    variant = "89ab"[int(drawn[16], 16) & 3]
    return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-{variant}{drawn[17:20]}-{drawn[20:]}"


def _check_entity_id(index: int, field: str, entity_id: str) -> None:
    problem = words.id_problem(entity_id)
    if problem is not None:
        limits = {"limit_bytes": words.MAX_ID_BYTES} if problem == words.ID_LENGTH_PROBLEM else {}
        raise ChangeInvalid(index, field, problem, **limits)


def _required_keys(index: int, change: sync_pb2.Change, project_id: int, user_id: str) -> tuple[str, ...]:
    if len(change.required_entities) > _MAX_REQUIRED:
        raise ChangeInvalid(index, "required_entities", f"must be at most {_MAX_REQUIRED}", limit=_MAX_REQUIRED)
    for required in change.required_entities:
        if not words.match_entity_type(required.entity_type):
            raise ChangeInvalid(index, "required_entities.entity_type", ENTITY_TYPE_PROBLEM)
        _check_entity_id(index, "required_entities.entity_id", required.entity_id)
    return tuple(
        entity_key(project_id, user_id, required.entity_type, required.entity_id)
        for required in change.required_entities
    )


def _retained_members(index: int, change: sync_pb2.Change, action: Action) -> tuple[str, ...]:
    if action is not Action.DELETE:
        raise ChangeInvalid(index, "retained_members", "goes with a delete alone")
    if len(change.retained_members) > _MAX_RETAINED:
        raise ChangeInvalid(index, "retained_members", f"must be at most {_MAX_RETAINED}", limit=_MAX_RETAINED)
    return tuple(change.retained_members)


def _identifying_members(index: int, change: sync_pb2.Change) -> tuple[str, ...]:
    if len(change.identifying_members) > _MAX_IDENTIFYING:
        raise ChangeInvalid(index, "identifying_members", f"must be at most {_MAX_IDENTIFYING}", limit=_MAX_IDENTIFYING)
    return tuple(change.identifying_members)


def _note(index: int, note: sync_pb2.Note, project_id: int, user_id: str) -> NewNote:
    if found := problem_of(note):
        field, problem, limits = found
        raise ChangeInvalid(index, f"note.{field}", problem, **limits)
    return note_of(note, project_id, user_id)


def _base_revision(index: int, revision: int) -> int:
    if revision < 0:
        raise ChangeInvalid(index, "base_revision", "must be 0 or more")
    return revision


def _timestamp_us(index: int, timestamp: Timestamp) -> int:
    seconds, nanos = timestamp.seconds, timestamp.nanos
    if not 0 <= seconds <= _LAST_SECOND or not 0 <= nanos < _NANOS:
        raise ChangeInvalid(index, "client_timestamp", "must be in the years 1970 to 9999")
    return seconds * 1_000_000 + nanos // 1000
