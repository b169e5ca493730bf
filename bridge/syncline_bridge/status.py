"""What each gRPC status and error reason of the contract means in HTTP."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from grpc.aio import AioRpcError

from syncline_bridge.failure import Failure

_DOMAIN = "syncline.v1"
_DETAILS_KEY = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. No sentence: the server's own words, which it writes for clients in these cases."""

    http_status: int
    sentence: str | None = None
    retry_after_seconds: int | None = None


_AWAY = Row(503, "The server cannot answer right now. Try again soon.", retry_after_seconds=1)
_DEFECT = Row(500, "Sync failed. The request id tells the operator more.")
_TOO_LARGE = Row(413, "The request or its answer is too large. Send fewer changes at once.")

# Keyed by status and reason; "" is a status without a reason of ours, which says nothing about whose words it carries:
# the text of gRPC itself and of anything between us and the server never reaches a client.
TABLE: Mapping[tuple[StatusCode, str], Row] = MappingProxyType(
    {
        (StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID"): Row(400),
        (StatusCode.INVALID_ARGUMENT, "CHANGE_INVALID"): Row(400),
        (StatusCode.INVALID_ARGUMENT, "CHECKPOINT_INVALID"): Row(400),
        (StatusCode.INVALID_ARGUMENT, ""): Row(400, "The request is out of form."),
        (StatusCode.OUT_OF_RANGE, "CHECKPOINT_EXPIRED"): Row(
            400, "The checkpoint token is no longer valid. Start over without one."
        ),
        (StatusCode.FAILED_PRECONDITION, "DATA_TOO_LARGE"): Row(400),
        (StatusCode.NOT_FOUND, "ENTITY_NOT_FOUND"): Row(404),
        (StatusCode.ABORTED, "HEAD_MISMATCH"): Row(409, "The head has moved on. Pull, then push again."),
        (StatusCode.UNAUTHENTICATED, "KEY_INVALID"): Row(401, "The API key is missing or not known."),
        (StatusCode.UNAUTHENTICATED, "SESSION_INVALID"): Row(401, "The session token is missing or cannot be trusted."),
        (StatusCode.UNAUTHENTICATED, "SESSION_EXPIRED"): Row(401, "The session token has expired."),
        (StatusCode.UNAUTHENTICATED, ""): Row(401, "The credentials are missing or not valid."),
        (StatusCode.PERMISSION_DENIED, "SERVER_KEY_REQUIRED"): Row(403, "This needs a server key."),
        (StatusCode.PERMISSION_DENIED, "USER_FORBIDDEN"): Row(403, "The session may only name its own user."),
        (StatusCode.PERMISSION_DENIED, "TYPE_FORBIDDEN"): Row(403, "The session may not use this entity type."),
        (StatusCode.PERMISSION_DENIED, ""): Row(403, "The credentials do not allow this."),
        (StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED"): Row(
            429, "Too many requests. Wait before the next one.", retry_after_seconds=1
        ),
        (StatusCode.RESOURCE_EXHAUSTED, "ANSWER_TOO_LARGE"): _TOO_LARGE,
        (StatusCode.RESOURCE_EXHAUSTED, "READER_TOO_SLOW"): Row(
            503, "The reader took nothing for too long. Resume from the last token.", retry_after_seconds=1
        ),
        (StatusCode.RESOURCE_EXHAUSTED, ""): _TOO_LARGE,  # gRPC refusing the size of a message
        (StatusCode.UNAVAILABLE, "DRAINING"): _AWAY,
        (StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"): _AWAY,
        (StatusCode.UNAVAILABLE, ""): _AWAY,
        (StatusCode.DEADLINE_EXCEEDED, ""): _AWAY,
        (StatusCode.CANCELLED, ""): _AWAY,
        (StatusCode.INTERNAL, "INTERNAL"): _DEFECT,
    }
)

# What the metadata of an error may tell the caller; numbers stay numbers.
_NUMBERS = frozenset({"index", "head_ms", "limit_bytes"})
_DETAILS = _NUMBERS | {"entity_type", "field"}


@dataclass(frozen=True, slots=True)
class _Told:
    """What the server said: the parts of its google.rpc.Status, empty where it said nothing."""

    reason: str
    metadata: Mapping[str, str]
    retry_after_seconds: int | None
    words: str


def failure_of(error: AioRpcError) -> Failure:
    """Translate the error of a call."""
    code = error.code()
    told = _told(error)
    row = TABLE.get((code, told.reason)) or TABLE.get((code, ""), _DEFECT)
    retry_after = told.retry_after_seconds if row.retry_after_seconds and told.retry_after_seconds else None
    retry_after = retry_after or row.retry_after_seconds
    details = _limit(told, retry_after or 1) if told.reason == "RATE_LIMITED" else _details(told)
    return Failure(row.http_status, told.reason or code.name, row.sentence or told.words, retry_after, details)


def _told(error: AioRpcError) -> _Told:
    status = _rich_status(error)
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    form = error_details_pb2.BadRequest()
    for detail in status.details:
        for message in (info, retry, form):
            detail.Unpack(message)  # leaves it alone when the detail is of another type
    if info.domain != _DOMAIN:
        return _Told("", {}, None, "")
    metadata = dict(info.metadata)
    return _Told(info.reason, metadata, _whole_seconds(retry), _words(status.message, form, metadata.get("index")))


def _rich_status(error: AioRpcError) -> status_pb2.Status:
    trailing: Any = error.trailing_metadata()  # pairs; the stub packages for gRPC disagree
    for key, value in trailing or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()


def _whole_seconds(retry: error_details_pb2.RetryInfo) -> int | None:
    if not retry.HasField("retry_delay"):
        return None
    seconds: float = retry.retry_delay.ToTimedelta().total_seconds()
    return max(1, math.ceil(seconds))


def _words(message: str, form: error_details_pb2.BadRequest, index: str | None) -> str:
    violations = [f"{_place(violation.field, index)}: {violation.description}" for violation in form.field_violations]
    if violations:
        return "; ".join(violations)
    if index is not None and f"[{index}]" not in message:
        return f"changes[{index}]: {message}"
    return message or "The request is out of form."


def _place(field: str, index: str | None) -> str:
    if index is None or "[" in field:
        return field or "request"
    return f"changes[{index}].{field}" if field else f"changes[{index}]"


def _details(told: _Told) -> dict[str, int | str]:
    shown = {key: value for key, value in sorted(told.metadata.items()) if key in _DETAILS}
    return {key: _number(value) if key in _NUMBERS else value for key, value in shown.items()}


def _limit(told: _Told, retry_after_seconds: int) -> dict[str, int | str]:
    details: dict[str, int | str] = {"retry_after_seconds": retry_after_seconds}
    if scope := told.metadata.get("scope"):
        details["scope"] = scope
    if window_seconds := told.metadata.get("window_seconds"):
        details["window"] = f"{window_seconds}s"
    if maximum := told.metadata.get("max"):
        details["max"] = _number(maximum)
    return details


def _number(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text
