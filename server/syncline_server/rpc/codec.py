"""Values of the rules as messages of the contract."""

from google.protobuf.timestamp_pb2 import Timestamp

from syncline.v1 import sync_pb2
from syncline_server.rpc.tickets import Ticket
from syncline_server.sync.changes import MICROSECONDS_PER_MS, Action, PushOutcome, Version
from syncline_server.sync.feed import Batch
from syncline_server.sync.pull import Page, action_of

_MICROSECONDS = 1_000_000


def push_response(outcome: PushOutcome, checkpoint_token: str) -> sync_pb2.PushResponse:
    """Return the answer to a push."""
    response = sync_pb2.PushResponse(
        checkpoint_token=checkpoint_token, head_ms=outcome.head_revision // MICROSECONDS_PER_MS
    )
    add = response.results.add
    for result in outcome.results:
        answer = add()
        answer.outcome = sync_pb2.OUTCOME_APPLIED if result.applied else sync_pb2.OUTCOME_CONFLICT
        if result.replayed:
            answer.replayed = True
        _set_version(answer.change, result.version, result.carries_data)
    return response


def pull_response(page: Page, checkpoint_token: str) -> sync_pb2.PullResponse:
    """Return the answer to a pull."""
    response = sync_pb2.PullResponse(
        checkpoint_token=checkpoint_token,
        has_more=page.has_more,
        head_ms=page.head_ms,
        total_size=page.total,
        reset=page.reset,
    )
    _add_changes(response, page)
    return response


def stream_pull_response(batch: Batch, checkpoint_token: str) -> sync_pb2.StreamPullResponse:
    """Return a message of a stream."""
    response = sync_pb2.StreamPullResponse(
        checkpoint_token=checkpoint_token, caught_up=batch.caught_up, reset=batch.page.reset
    )
    _add_changes(response, batch.page)
    return response


def ticket_response(ticket: Ticket) -> sync_pb2.CreateTicketResponse:
    """Return the answer that carries a ticket."""
    return sync_pb2.CreateTicketResponse(ticket=ticket.text, expire_time=Timestamp(seconds=ticket.expires_at))


def _add_changes(response: sync_pb2.PullResponse | sync_pb2.StreamPullResponse, page: Page) -> None:
    add, after_revision = response.changes.add, page.after_revision
    for user_id, entity_type, entity_id, deleted, data, client_timestamp_us, revision, created_revision, _ in page.rows:
        # Setting fields one by one costs half of what keyword arguments do.
        change = add()
        change.entity_type = entity_type
        change.entity_id = entity_id
        change.action = action_of(deleted, created_revision, after_revision)  # type: ignore[assignment]  # as above
        change.data = data
        change.revision = revision
        change.created_revision = created_revision
        change.user_id = user_id
        _set_timestamp(change.client_timestamp, client_timestamp_us)


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
        _set_timestamp(change.client_timestamp, version.client_timestamp_us)


def _set_timestamp(timestamp: Timestamp, us: int) -> None:
    # Also the start of 1970 is a timestamp, and set.
    seconds, rest = divmod(us, _MICROSECONDS)
    timestamp.seconds = seconds
    if rest:
        timestamp.nanos = rest * 1000
