"""How the contract says that a call failed: the google.rpc.Status in its trailing metadata, taken apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from grpc.aio import AioRpcError

DOMAIN: Final = "syncline.v1"
_DETAILS_KEY: Final = "grpc-status-details-bin"
_CODES: Final[Mapping[int, StatusCode]] = {code.value[0]: code for code in StatusCode}


class Violation(NamedTuple):
    """What is wrong with a field of a request."""

    field: str
    problem: str


@dataclass(frozen=True, slots=True)
class FailedCall:
    """What is known of a call that failed."""

    code: StatusCode
    reason: str = ""
    """An ErrorReason of the contract without its prefix; empty: gRPC, or something in between, failed the call."""
    message: str = ""
    """The server's own words, written for clients, where there is a reason; otherwise anybody's."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()
    retry_after_seconds: float | None = None
    """None: the server did not say."""


def failed_call(error: AioRpcError) -> FailedCall:
    """Read what the server said of the call that ended with `error`."""
    told = failed_status(_rich_status(error))
    if told.reason:
        return replace(told, code=error.code())
    return FailedCall(error.code(), message=error.details() or "")


def failed_status(status: status_pb2.Status) -> FailedCall:
    """Read what the server said in a status of its own."""
    code = _CODES.get(status.code, StatusCode.UNKNOWN)
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    request = error_details_pb2.BadRequest()
    for detail in status.details:
        for message in (info, retry, request):
            detail.Unpack(message)  # leaves it alone when the detail is of another type
    if info.domain != DOMAIN:
        return FailedCall(code, message=status.message)
    return FailedCall(
        code,
        info.reason,
        status.message,
        dict(info.metadata),
        tuple(Violation(violation.field, violation.description) for violation in request.field_violations),
        retry.retry_delay.ToMilliseconds() / 1000 if retry.HasField("retry_delay") else None,
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
