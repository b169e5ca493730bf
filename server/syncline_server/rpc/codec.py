"""Values of the rules as messages of the contract."""

from collections.abc import Mapping
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from syncline.v1 import sync_pb2
from syncline_server.identity.tickets import Ticket
from syncline_server.rpc.wire import varint
from syncline_server.sync.changes import MICROSECONDS_PER_MS, Action, PushOutcome, Version
from syncline_server.sync.feed import StreamPiece
from syncline_server.sync.layout import Layout
from syncline_server.sync.lookup import StoredEntities
from syncline_server.sync.reading import Page

_MICROSECONDS: Final = 1_000_000


def fill_push_response(response: sync_pb2.PushResponse, outcome: PushOutcome, checkpoint_token: str) -> None:
    """Fill in the answer to a push."""
    response.checkpoint_token = checkpoint_token
    response.head_ms = outcome.head_revision // MICROSECONDS_PER_MS
    add = response.results.add
    for result in outcome.results:
        answer = add()
        answer.outcome = sync_pb2.OUTCOME_APPLIED if result.applied else sync_pb2.OUTCOME_CONFLICT
        if result.replayed:
            answer.replayed = True
        _set_version(answer.change, result.version, result.carries_data)
        if result.note is not None:
            answer.note.name, answer.note.version, answer.note.value = result.note


def pull_response(page: Page, checkpoint_token: str) -> bytes:
    """Return the answer to a pull: a PullResponse, serialized."""
    rest = sync_pb2.PullResponse(
        checkpoint_token=checkpoint_token,
        has_more=page.has_more,
        head_ms=page.head_ms,
        total_size=page.total,
        reset=page.reset,
    )
    return page.changes + rest.SerializeToString()


def first_revision(changes: bytes) -> int:
    """Return the revision of the first of laid out versions, of which there is one at least."""
    length, at = varint(changes, len(_CHANGES_TAG))
    return sync_pb2.Change.FromString(changes[at : at + length]).revision


def get_response(found: StoredEntities, unread: int, note_names: Mapping[str, str]) -> bytes:
    """Return the answer to a look-up, a GetResponse, serialized; `note_names` are the names of the notes by key."""
    notes = [
        sync_pb2.Note(
            name=note_names[note.key], value=note.value, version=note.version, ttl=note.seconds_left(found.now_ms)
        )
        for note in found.notes
        if note.is_there(found.now_ms)
    ]
    rest = sync_pb2.GetResponse(notes=notes, head_ms=found.user_head // MICROSECONDS_PER_MS, unread=unread)
    return found.changes + rest.SerializeToString()


def stream_pull_response(piece: StreamPiece, checkpoint_token: str) -> bytes:
    """Return a message of a stream: a StreamPullResponse, serialized."""
    rest = sync_pb2.StreamPullResponse(
        checkpoint_token=checkpoint_token, caught_up=piece.caught_up, reset=piece.page.reset
    )
    return piece.page.changes + rest.SerializeToString()


def ticket_response(ticket: Ticket) -> sync_pb2.CreateTicketResponse:
    """Return the answer that carries a ticket."""
    return sync_pb2.CreateTicketResponse(ticket=ticket.text, expire_time=Timestamp(seconds=ticket.expires_at))


def _set_version(change: sync_pb2.Change, version: Version, with_data: bool) -> None:
    """Fill in a stored version; what it is relative to no position: created where it never changed since."""
    if version.deleted:
        action = Action.DELETE
    else:
        action = Action.CREATE if version.created_revision == version.revision else Action.UPDATE
    change.entity_type = version.entity_type
    change.entity_id = version.entity_id
    change.action = action  # type: ignore[assignment]  # the numbers are those of the contract
    if with_data and version.data:
        change.data = version.data.encode()
    change.user_id = version.user_id
    if version.revision:
        change.revision = version.revision
        change.created_revision = version.created_revision
        _set_timestamp(change.client_timestamp, version.shown_timestamp_us)


def _set_timestamp(timestamp: Timestamp, us: int) -> None:
    # Also the start of 1970 is a timestamp, and set.
    seconds, rest = divmod(us, _MICROSECONDS)
    timestamp.seconds = seconds
    if rest:
        timestamp.nanos = rest * 1000


def _opening(version: Version) -> bytes:
    """Return a version as a member of `changes`, up to the length of its data.

    The wire format takes fields in any order, so that data is the last one but for the action (Layout).
    """
    change = sync_pb2.Change(
        entity_type=version.entity_type,
        entity_id=version.entity_id,
        revision=version.revision,
        created_revision=version.created_revision,
        user_id=version.user_id,
    )
    _set_timestamp(change.client_timestamp, version.shown_timestamp_us)
    fields = change.SerializeToString() + _DATA_TAG + _varint(version.size_bytes)
    return _CHANGES_TAG + _varint(len(fields) + version.size_bytes + _CLOSING_BYTES) + fields


def _closing(action: Action) -> bytes:
    return sync_pb2.Change(action=action).SerializeToString()  # type: ignore[arg-type]  # as above


def _varint(number: int) -> bytes:
    """Return a length as it is on the wire: seven bits a byte, the lowest first, with the eighth where more follow."""
    written = bytearray()
    while rest := number >> 7:
        written.append(number & 0x7F | 0x80)
        number = rest
    written.append(number)
    return bytes(written)


_DATA_TAG: Final = sync_pb2.Change(data=b"-").SerializeToString()[:-2]
_CHANGES_TAG: Final = sync_pb2.PullResponse(changes=[{}]).SerializeToString()[:-1]
assert sync_pb2.StreamPullResponse(changes=[{}]).SerializeToString()[:-1] == _CHANGES_TAG, "one layout for all"
assert sync_pb2.GetResponse(changes=[{}]).SerializeToString()[:-1] == _CHANGES_TAG, "one layout for all"
_CLOSING_BYTES: Final = len(_closing(Action.CREATE))

LAYOUT: Final = Layout(_opening, {action: _closing(action) for action in Action})
"""A laid out version is a member of `changes` in the answer to a pull or a look-up, and in a message of a stream."""
