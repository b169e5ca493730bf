"""How the contract says that a call failed: a google.rpc.Status in the trailing metadata."""

from typing import Any, Final

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc.aio import AioRpcError

from syncline_client.errors import Failure, SynclineError, Violation, error_of

_DOMAIN: Final = "syncline.v1"
_DETAILS_KEY: Final = "grpc-status-details-bin"


def translated(error: AioRpcError) -> SynclineError:
    """Return the error that a failed call ends with."""
    return error_of(_failure(error))


def _failure(error: AioRpcError) -> Failure:
    status = _rich_status(error)
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    form = error_details_pb2.BadRequest()
    for detail in status.details:
        for message in (info, retry, form):
            detail.Unpack(message)  # leaves it alone when the detail is of another type
    if info.domain != _DOMAIN:
        return Failure(error.code(), message=error.details() or "")
    return Failure(
        error.code(),
        info.reason,
        status.message,
        dict(info.metadata),
        tuple(Violation(violation.field, violation.description) for violation in form.field_violations),
        retry.retry_delay.ToMilliseconds() / 1000,
    )


def _rich_status(error: AioRpcError) -> status_pb2.Status:
    trailing: Any = error.trailing_metadata()  # pairs; the stub packages for gRPC disagree
    for key, value in trailing or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()
