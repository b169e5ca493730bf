"""How this dialect's messages map to the contract's, and back."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Literal
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import UNSET, Raw

from syncline import words
from syncline.v1 import sync_pb2
from syncline_bridge.dialects.checkpoint_sync import timestamps
from syncline_bridge.dialects.checkpoint_sync.models import (
    Conflict,
    Found,
    Pulled,
    PulledChange,
    PushBody,
    Pushed,
    PushedChange,
    Reference,
    Streamed,
)
from syncline_bridge.failure import Failure, RefusedError, invalid

PAGE_SIZE = 100
_THE_ONE = "entities[0]."
EMPTY_OBJECT = b"{}"

ACTIONS: Mapping[str, sync_pb2.Action] = MappingProxyType(
    {
        "create": sync_pb2.ACTION_CREATE,
        "insert": sync_pb2.ACTION_CREATE,  # what the Swift and Unity SDKs say
        "update": sync_pb2.ACTION_UPDATE,
        "delete": sync_pb2.ACTION_DELETE,
    }
)
_NAMES: Mapping[sync_pb2.Action, Literal["create", "update", "delete"]] = MappingProxyType(
    {
        sync_pb2.ACTION_CREATE: "create",
        sync_pb2.ACTION_UPDATE: "update",
        sync_pb2.ACTION_DELETE: "delete",
    }
)


def push_request(body: PushBody) -> sync_pb2.PushRequest:
    """Translate a batch; raises RefusedError that names the change and the field."""
    # None leaves the token unset; an empty one is set.
    request = sync_pb2.PushRequest(checkpoint_token=body.checkpoint_token, push_id=body.push_id or "")
    for index, change in enumerate(body.changes):
        _fill(request.changes.add(), index, change)
    return request


def pushed(response: sync_pb2.PushResponse) -> Pushed:
    """Translate what became of a batch."""
    conflicts: list[Conflict] = []
    revisions: list[int] = []
    for result in response.results:
        change = result.change
        if result.outcome == sync_pb2.OUTCOME_CONFLICT:
            conflicts.append(_conflict(change))
            revisions.append(0)
        else:
            revisions.append(change.revision if result.outcome == sync_pb2.OUTCOME_APPLIED else 0)
    return Pushed(len(revisions) - len(conflicts), conflicts, response.checkpoint_token, revisions)


def pull_request(query: Iterable[tuple[str, str]]) -> sync_pb2.PullRequest:
    """Translate the parameters of a pull; unknown ones are ignored."""
    entity_type = single(query, "entity_type")
    _check_entity_type(entity_type)
    token = single(query, "checkpoint_token")
    return sync_pb2.PullRequest(
        entity_types=[entity_type],
        checkpoint_token=token or None,  # None leaves the position unset: from the start
        page_size=PAGE_SIZE,
        reset_when_expired=True,
    )


def get_request(references: Iterable[Reference]) -> sync_pb2.GetRequest:
    """Translate a request for entities."""
    return sync_pb2.GetRequest(
        entities=[sync_pb2.EntityReference(entity_type=one.entity_type, entity_id=one.entity_id) for one in references]
    )


def reference_of(raw_path: bytes, collection: str) -> Reference:
    """Read which entity a path names below its collection, as it was sent: decoded, a slash of an id looks like any.

    Raises RefusedError (400).
    """
    _, _, name = raw_path.partition(collection.encode() + b"/")
    entity_type, _, entity_id = name.removesuffix(b"/").partition(b"/")
    try:
        return Reference(unquote_to_bytes(entity_type).decode(), unquote_to_bytes(entity_id).decode())
    except UnicodeDecodeError:
        raise RefusedError(invalid("entity_id: has to be UTF-8, percent-encoded.", field="entity_id")) from None


def found(response: sync_pb2.GetResponse) -> Found:
    """Translate the entities that were asked for."""
    return Found([_pulled_change(change) for change in response.changes], response.unread)


def found_one(response: sync_pb2.GetResponse) -> PulledChange:
    """Translate the one entity that was asked for. Raises RefusedError (404)."""
    if not response.changes:
        raise RefusedError(Failure(404, "ENTITY_NOT_FOUND", "There is no such entity."))
    return _pulled_change(response.changes[0])


def of_the_one(failure: Failure) -> Failure:
    """Name a part of the path where the server named a part of the one reference."""
    details = {
        name: value.removeprefix(_THE_ONE) if isinstance(value, str) else value
        for name, value in failure.details.items()
    }
    return replace(failure, message=failure.message.removeprefix(_THE_ONE), details=details)


def stream_request(query: Iterable[tuple[str, str]], last_event_id: str) -> sync_pb2.StreamPullRequest:
    """Translate the parameters of a stream; an EventSource that reconnects says where it was by the last event's id."""
    entity_types = [value for key, value in query if key == "entity_type"]
    for entity_type in entity_types or [""]:
        _check_entity_type(entity_type)
    token = last_event_id or single(query, "checkpoint_token")
    return sync_pb2.StreamPullRequest(
        entity_types=entity_types, checkpoint_token=token or None, follow=True, reset_when_expired=True
    )


def ticket_types(query: Iterable[tuple[str, str]]) -> list[str]:
    """Translate the parameters of a ticket: the types it is for; none: all."""
    entity_types = [value for key, value in query if key == "entity_type"]
    for entity_type in entity_types:
        _check_entity_type(entity_type)
    return entity_types


def streamed(message: sync_pb2.StreamPullResponse) -> Streamed:
    """Translate a message of a stream."""
    return Streamed(
        changes=[_pulled_change(change) for change in message.changes],
        checkpoint_token=message.checkpoint_token,
        caught_up=message.caught_up or UNSET,
        reset=message.reset or UNSET,
    )


def pulled(response: sync_pb2.PullResponse) -> Pulled:
    """Translate a page."""
    return Pulled(
        changes=[_pulled_change(change) for change in response.changes],
        checkpoint_token=response.checkpoint_token,
        has_more=response.has_more,
        reset=response.reset or UNSET,
    )


def _fill(message: sync_pb2.Change, index: int, change: PushedChange) -> None:
    """Fill a message, field by field: keywords and messages of their own cost twice as much."""
    action = ACTIONS.get(change.action.lower())
    if action is None:
        raise _bad(index, "action", "has to be create, update or delete")
    if not change.entity_id:
        # The server would make an id, but this dialect has no way to return it, and a retry would make another.
        raise _bad(index, "entity_id", "must not be empty")
    try:
        seconds, nanos = timestamps.parse(change.client_timestamp)
    except ValueError as error:
        raise _bad(index, "client_timestamp", str(error)) from None
    message.entity_type = change.entity_type
    message.entity_id = change.entity_id
    message.action = action
    if action != sync_pb2.ACTION_DELETE:
        message.data = _data(index, change)
    moment = message.client_timestamp
    moment.seconds = seconds
    moment.nanos = nanos
    if change.base_revision is not None:
        message.base_revision = change.base_revision


def _data(index: int, change: PushedChange) -> bytes:
    text = b"null" if change.data is UNSET else bytes(change.data)
    if text == b"null":
        raise _bad(index, "data", "is required unless the action is delete")
    if not text.startswith(b"{"):
        raise _bad(index, "data", "has to be an object")
    return text


def _bad(index: int, field: str, problem: str) -> RefusedError:
    return RefusedError(invalid(f"changes[{index}].{field}: {problem}.", index=index, field=field))


def _check_entity_type(entity_type: str) -> None:
    if not words.match_entity_type(entity_type):
        problem = f"has to be {words.ENTITY_TYPE_FORM}" if entity_type else "is required"
        raise RefusedError(invalid(f"entity_type: {problem}.", field="entity_type"))


def single(query: Iterable[tuple[str, str]], name: str) -> str:
    """Return a parameter that may come at most once; empty when absent."""
    values = [value for key, value in query if key == name]
    if len(values) > 1:
        raise RefusedError(invalid(f"{name}: was given more than once.", field=name))
    return values[0] if values else ""


def _conflict(change: sync_pb2.Change) -> Conflict:
    server_data = msgspec.json.decode(change.data or EMPTY_OBJECT, type=dict[str, Raw])
    server_data["last_synced_at"] = Raw(msgspec.json.encode(timestamps.text_of_ms(change.revision // 1_000)))
    if change.action == sync_pb2.ACTION_DELETE:
        server_data["deleted"] = Raw(b"true")
    return Conflict(change.entity_type, change.entity_id, "server_wins", server_data, change.revision)


def _pulled_change(change: sync_pb2.Change) -> PulledChange:
    deleted = change.action == sync_pb2.ACTION_DELETE
    return PulledChange(
        entity_type=change.entity_type,
        entity_id=change.entity_id,
        action=_NAMES[change.action],
        data=Raw(EMPTY_OBJECT if deleted else change.data or EMPTY_OBJECT),
        client_timestamp=timestamps.text_of(change.client_timestamp),
        revision=change.revision,
    )
