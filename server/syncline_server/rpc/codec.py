"""Values of the rules as messages of the contract."""

from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from syncline.v1 import sync_pb2
from syncline_server.rpc.tickets import Ticket
from syncline_server.sync.changes import Action, PushOutcome, Result, Version
from syncline_server.sync.feed import Batch
from syncline_server.sync.pull import Page, action_of
from syncline_server.sync.store import PageRow

_MICROSECONDS = 1_000_000


def push_response(outcome: PushOutcome, checkpoint_token: str) -> sync_pb2.PushResponse:
    """Return the answer to a push."""
    return sync_pb2.PushResponse(
        results=[_result(result) for result in outcome.results],
        checkpoint_token=checkpoint_token,
        head_ms=outcome.head_revision // 1000,
    )


def pull_response(page: Page, checkpoint_token: str) -> sync_pb2.PullResponse:
    """Return the answer to a pull."""
    return sync_pb2.PullResponse(
        changes=_changes(page.rows, page.after_revision),
        checkpoint_token=checkpoint_token,
        has_more=page.has_more,
        head_ms=page.head_ms,
        total_size=page.total,
        reset=page.reset,
    )


def stream_pull_response(batch: Batch, checkpoint_token: str) -> sync_pb2.StreamPullResponse:
    """Return a message of a stream."""
    return sync_pb2.StreamPullResponse(
        changes=_changes(batch.page.rows, batch.page.after_revision),
        checkpoint_token=checkpoint_token,
        caught_up=batch.caught_up,
        reset=batch.page.reset,
    )


def ticket_response(ticket: Ticket) -> sync_pb2.CreateTicketResponse:
    """Return the answer that carries a ticket."""
    return sync_pb2.CreateTicketResponse(ticket=ticket.text, expire_time=Timestamp(seconds=ticket.expires_at))


def _changes(rows: Sequence[PageRow], after_revision: int) -> list[sync_pb2.Change]:
    return [
        sync_pb2.Change(
            entity_type=row.entity_type,
            entity_id=row.entity_id,
            action=action_of(row, after_revision),  # type: ignore[arg-type]  # the numbers are those of the contract
            data=row.data.encode(),
            client_timestamp=_timestamp(row.client_timestamp_us),
            revision=row.revision,
            created_revision=row.created_revision,
            user_id=row.user_id,
        )
        for row in rows
    ]


def _result(result: Result) -> sync_pb2.PushResult:
    return sync_pb2.PushResult(
        outcome=sync_pb2.OUTCOME_APPLIED if result.applied else sync_pb2.OUTCOME_CONFLICT,
        replayed=result.replayed,
        change=_version(result.version, result.carries_data),
    )


def _version(version: Version, with_data: bool) -> sync_pb2.Change:
    """Return a stored version; what it is relative to no position: created where it never changed since."""
    if version.deleted:
        action = Action.DELETE
    else:
        action = Action.CREATE if version.created_revision == version.revision else Action.UPDATE
    return sync_pb2.Change(
        entity_type=version.entity_type,
        entity_id=version.entity_id,
        action=action,  # type: ignore[arg-type]  # the numbers are those of the contract
        data=(version.data or "").encode() if with_data else b"",
        client_timestamp=_timestamp(version.client_timestamp_us) if version.revision else None,
        revision=version.revision,
        created_revision=version.created_revision,
        user_id=version.user_id,
    )


def _timestamp(us: int) -> Timestamp:
    return Timestamp(seconds=us // _MICROSECONDS, nanos=us % _MICROSECONDS * 1000)
