"""Values of the client as messages of the contract, and back."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from syncline.v1 import sync_pb2
from syncline_client.answers import Batch, Found, Outcome, Page, Pushed, PushResult
from syncline_client.changes import Action, Change, NewChange, revision_at
from syncline_client.notes import NewNote, Note

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS: Final = 1_000_000

_ACTIONS: Final[dict[Action, sync_pb2.Action]] = {
    Action.CREATE: sync_pb2.ACTION_CREATE,
    Action.UPDATE: sync_pb2.ACTION_UPDATE,
    Action.DELETE: sync_pb2.ACTION_DELETE,
}
_ACTION_OF: Final[dict[int, Action]] = {int(number): action for action, number in _ACTIONS.items()}
_OUTCOME_OF: Final[dict[int, Outcome]] = {
    int(sync_pb2.OUTCOME_APPLIED): Outcome.APPLIED,
    int(sync_pb2.OUTCOME_CONFLICT): Outcome.CONFLICT,
}


def new_changes(changes: Iterable[NewChange], now_us: int) -> list[sync_pb2.Change]:
    """Return changes to push; those without a timestamp were made `now_us` after the Unix epoch."""
    return [_new_change(change, now_us) for change in changes]


def pushed(response: sync_pb2.PushResponse) -> Pushed:
    """Return the answer to a push."""
    results = tuple(
        PushResult(
            _OUTCOME_OF[result.outcome],
            result.replayed,
            _change(result.change),
            _note(result.note) if result.HasField("note") else None,
        )
        for result in response.results
    )
    return Pushed(results, response.checkpoint_token, response.head_ms)


def page(response: sync_pb2.PullResponse, with_total: bool) -> Page:
    """Return a page."""
    return Page(
        changes=_changes(response.changes),
        checkpoint_token=response.checkpoint_token,
        has_more=response.has_more,
        head_ms=response.head_ms,
        total_size=response.total_size if with_total else None,
        reset=response.reset,
    )


def found(response: sync_pb2.GetResponse) -> Found:
    """Return the entities and notes that were asked for."""
    notes = tuple([_note(note) for note in response.notes])
    return Found(_changes(response.changes), response.head_ms, response.unread, notes)


def batch(message: sync_pb2.StreamPullResponse) -> Batch:
    """Return a piece of a stream."""
    return Batch(_changes(message.changes), message.checkpoint_token, message.caught_up, message.reset)


def new_notes(notes: Iterable[NewNote]) -> list[sync_pb2.Note]:
    """Return notes to push."""
    return [_new_note(note) for note in notes]


def _new_note(note: NewNote) -> sync_pb2.Note:
    return sync_pb2.Note(name=note.name, value=note.value, expected_version=note.expected_version, ttl=note.ttl_seconds)


def _note(note: sync_pb2.Note) -> Note:
    return Note(note.name, note.version, note.value, note.ttl)


def _changes(changes: Sequence[sync_pb2.Change]) -> tuple[Change, ...]:
    return tuple([_change(change) for change in changes])


def _change(change: sync_pb2.Change) -> Change:
    return Change(
        entity_type=change.entity_type,
        entity_id=change.entity_id,
        action=_ACTION_OF[change.action],
        data=change.data,
        client_timestamp=_moment(change.client_timestamp),
        revision=change.revision,
        created_revision=change.created_revision,
        user_id=change.user_id,
    )


def _new_change(change: NewChange, now_us: int) -> sync_pb2.Change:
    made_us = now_us if change.client_timestamp is None else revision_at(change.client_timestamp)
    required = [
        sync_pb2.EntityReference(entity_type=entity_type, entity_id=entity_id)
        for entity_type, entity_id in change.required_entities
    ]
    return sync_pb2.Change(
        entity_type=change.entity_type,
        entity_id=change.entity_id,
        action=_ACTIONS[change.action],
        data=change.data,
        client_timestamp=Timestamp(seconds=made_us // _MICROSECONDS, nanos=made_us % _MICROSECONDS * 1000),
        base_revision=change.base_revision,
        only_if_absent=change.only_if_absent,
        required_entities=required,
        retained_members=change.retained_members,
        note=None if change.note is None else _new_note(change.note),
    )


def _moment(timestamp: Timestamp) -> datetime:
    return _EPOCH + timedelta(seconds=timestamp.seconds, microseconds=timestamp.nanos // 1000)
