"""Which gRPC status, reason and details each error becomes."""

from typing import Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from grpc_status import rpc_status

from syncline.v1 import sync_pb2
from syncline_server.sync import errors

DOMAIN: Final = "syncline.v1"

STATUS_OF: Final[dict[type[errors.SyncError], tuple[StatusCode, sync_pb2.ErrorReason]]] = {
    errors.RequestInvalid: (StatusCode.INVALID_ARGUMENT, sync_pb2.ERROR_REASON_REQUEST_INVALID),
    errors.ChangeInvalid: (StatusCode.INVALID_ARGUMENT, sync_pb2.ERROR_REASON_CHANGE_INVALID),
    errors.CheckpointInvalid: (StatusCode.INVALID_ARGUMENT, sync_pb2.ERROR_REASON_CHECKPOINT_INVALID),
    errors.PushIdReused: (StatusCode.INVALID_ARGUMENT, sync_pb2.ERROR_REASON_PUSH_ID_REUSED),
    errors.CheckpointExpired: (StatusCode.OUT_OF_RANGE, sync_pb2.ERROR_REASON_CHECKPOINT_EXPIRED),
    errors.HeadMismatch: (StatusCode.ABORTED, sync_pb2.ERROR_REASON_HEAD_MISMATCH),
    errors.EntityNotFound: (StatusCode.NOT_FOUND, sync_pb2.ERROR_REASON_ENTITY_NOT_FOUND),
    errors.EntityDiffers: (StatusCode.ALREADY_EXISTS, sync_pb2.ERROR_REASON_ENTITY_DIFFERS),
    errors.NoteMismatch: (StatusCode.ABORTED, sync_pb2.ERROR_REASON_NOTE_MISMATCH),
    errors.NotesFull: (StatusCode.RESOURCE_EXHAUSTED, sync_pb2.ERROR_REASON_NOTES_FULL),
    errors.DataTooLarge: (StatusCode.FAILED_PRECONDITION, sync_pb2.ERROR_REASON_DATA_TOO_LARGE),
    errors.AnswerTooLarge: (StatusCode.RESOURCE_EXHAUSTED, sync_pb2.ERROR_REASON_ANSWER_TOO_LARGE),
    errors.KeyInvalid: (StatusCode.UNAUTHENTICATED, sync_pb2.ERROR_REASON_KEY_INVALID),
    errors.SessionInvalid: (StatusCode.UNAUTHENTICATED, sync_pb2.ERROR_REASON_SESSION_INVALID),
    errors.SessionExpired: (StatusCode.UNAUTHENTICATED, sync_pb2.ERROR_REASON_SESSION_EXPIRED),
    errors.ServerKeyRequired: (StatusCode.PERMISSION_DENIED, sync_pb2.ERROR_REASON_SERVER_KEY_REQUIRED),
    errors.UserForbidden: (StatusCode.PERMISSION_DENIED, sync_pb2.ERROR_REASON_USER_FORBIDDEN),
    errors.TypeForbidden: (StatusCode.PERMISSION_DENIED, sync_pb2.ERROR_REASON_TYPE_FORBIDDEN),
    errors.ProjectDisabled: (StatusCode.PERMISSION_DENIED, sync_pb2.ERROR_REASON_PROJECT_DISABLED),
    errors.RateLimited: (StatusCode.RESOURCE_EXHAUSTED, sync_pb2.ERROR_REASON_RATE_LIMITED),
    errors.TooManyOpen: (StatusCode.RESOURCE_EXHAUSTED, sync_pb2.ERROR_REASON_TOO_MANY_OPEN),
    errors.ReaderTooSlow: (StatusCode.RESOURCE_EXHAUSTED, sync_pb2.ERROR_REASON_READER_TOO_SLOW),
    errors.Draining: (StatusCode.UNAVAILABLE, sync_pb2.ERROR_REASON_DRAINING),
    errors.Overloaded: (StatusCode.UNAVAILABLE, sync_pb2.ERROR_REASON_OVERLOADED),
    errors.StoreUnavailable: (StatusCode.UNAVAILABLE, sync_pb2.ERROR_REASON_STORE_UNAVAILABLE),
}


def status_of(error: errors.SyncError) -> grpc.Status:
    """Return the status of an error that clients are told about."""
    return _ended(rich_status_of(error))


def rich_status_of(error: errors.SyncError) -> status_pb2.Status:
    """Return the same, as a message."""
    code, reason = STATUS_OF[type(error)]
    details: list[Message] = [_error_info(reason, error.details)]
    if isinstance(error, errors.InvalidError):
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.problem)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, errors.RateLimited | errors.TooManyOpen | errors.UnavailableError):
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(error.retry_after_seconds * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return _status(code, str(error), details)


def internal_status(request_id: str) -> grpc.Status:
    """Return the status of a defect; it says nothing of its cause."""
    return _ended(rich_internal_status(request_id))


def rich_internal_status(request_id: str) -> status_pb2.Status:
    """Return the same, as a message."""
    info = _error_info(sync_pb2.ERROR_REASON_INTERNAL, {"request_id": request_id})
    return _status(StatusCode.INTERNAL, "Internal error.", [info])


def named_status(code: StatusCode, reason: str, message: str) -> grpc.Status:
    """Return a status whose reason is of another table."""
    return _ended(_status(code, message, [error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)]))


def _error_info(reason: sync_pb2.ErrorReason, details: dict[str, str | int]) -> error_details_pb2.ErrorInfo:
    name = sync_pb2.ErrorReason.Name(reason).removeprefix("ERROR_REASON_")
    metadata = {key: str(value) for key, value in details.items()}
    return error_details_pb2.ErrorInfo(reason=name, domain=DOMAIN, metadata=metadata)


def _status(code: StatusCode, message: str, details: list[Message]) -> status_pb2.Status:
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code.value[0], message=message, details=packed)


def _ended(status: status_pb2.Status) -> grpc.Status:
    ended: grpc.Status = rpc_status.to_status(status)
    return ended


def forget_frames(error: BaseException | None) -> None:
    """Let go of the frames that an error came through, and so of their requests.

    What fails many calls at once would hold the requests of all of them, and a frame that holds the future of its error
    until Python looks for cycles: hundreds of MiB while the database is away.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
