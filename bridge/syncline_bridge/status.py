"""What each gRPC status and error reason of the contract means in HTTP."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from grpc import StatusCode
from grpc.aio import AioRpcError

from syncline.failed_call import FailedCall, failed_call
from syncline_bridge.failure import Failure


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
        (StatusCode.INVALID_ARGUMENT, "PUSH_ID_REUSED"): Row(400),
        (StatusCode.INVALID_ARGUMENT, ""): Row(400, "The request is malformed."),
        (StatusCode.OUT_OF_RANGE, "CHECKPOINT_EXPIRED"): Row(
            400, "The checkpoint token is no longer valid. Start over without one."
        ),
        (StatusCode.FAILED_PRECONDITION, "DATA_TOO_LARGE"): Row(400),
        (StatusCode.NOT_FOUND, "ENTITY_NOT_FOUND"): Row(404),
        (StatusCode.ALREADY_EXISTS, "ENTITY_DIFFERS"): Row(409),
        (StatusCode.ABORTED, "NOTE_MISMATCH"): Row(409),
        (StatusCode.RESOURCE_EXHAUSTED, "NOTES_FULL"): Row(400),
        (StatusCode.ABORTED, "HEAD_MISMATCH"): Row(409, "The head has moved on. Pull, then push again."),
        (StatusCode.UNAUTHENTICATED, "KEY_INVALID"): Row(401),
        (StatusCode.UNAUTHENTICATED, "SESSION_INVALID"): Row(401),
        (StatusCode.UNAUTHENTICATED, "SESSION_EXPIRED"): Row(401),
        (StatusCode.UNAUTHENTICATED, ""): Row(401, "The credentials are missing or not valid."),
        (StatusCode.PERMISSION_DENIED, "SERVER_KEY_REQUIRED"): Row(403, "This needs a server key."),
        (StatusCode.PERMISSION_DENIED, "USER_FORBIDDEN"): Row(403, "The session may only name its own user."),
        (StatusCode.PERMISSION_DENIED, "TYPE_FORBIDDEN"): Row(403, "The session may not use this entity type."),
        (StatusCode.PERMISSION_DENIED, "PROJECT_DISABLED"): Row(403),
        (StatusCode.PERMISSION_DENIED, ""): Row(403, "The credentials do not allow this."),
        (StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED"): Row(429, retry_after_seconds=1),
        (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_OPEN"): Row(429, retry_after_seconds=1),
        (StatusCode.RESOURCE_EXHAUSTED, "ANSWER_TOO_LARGE"): _TOO_LARGE,
        (StatusCode.RESOURCE_EXHAUSTED, "READER_TOO_SLOW"): Row(
            503, "The reader took nothing for too long. Resume from the last token.", retry_after_seconds=1
        ),
        (StatusCode.RESOURCE_EXHAUSTED, ""): _TOO_LARGE,  # gRPC refusing the size of a message
        (StatusCode.UNAVAILABLE, "DRAINING"): _AWAY,
        (StatusCode.UNAVAILABLE, "OVERLOADED"): _AWAY,
        (StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"): _AWAY,
        (StatusCode.UNAVAILABLE, ""): _AWAY,
        (StatusCode.DEADLINE_EXCEEDED, ""): _AWAY,
        (StatusCode.CANCELLED, ""): _AWAY,
        (StatusCode.INTERNAL, "INTERNAL"): _DEFECT,
    }
)

_METADATA = re.compile(r"\A[a-z-]+: ")

# What the metadata of an error may tell the caller; numbers stay numbers.
_NUMBERS = frozenset({"index", "head_ms", "limit", "limit_bytes"})
_DETAILS = _NUMBERS | {"cause", "entity_type", "field"}


def failure_of(error: AioRpcError) -> Failure:
    """Translate the error of a call."""
    return failure_of_call(failed_call(error))


def failure_of_call(reported: FailedCall) -> Failure:
    """Translate what is known of a failed call."""
    row = TABLE.get((reported.code, reported.reason)) or TABLE.get((reported.code, ""), _DEFECT)
    retry_after_seconds = _retry_after_seconds(row, reported)
    limited = reported.reason == "RATE_LIMITED"
    details = _limit(reported, retry_after_seconds or 1) if limited else _details(reported)
    reason = reported.reason or reported.code.name
    return Failure(row.http_status, reason, row.sentence or _message(reported), retry_after_seconds, details)


def _retry_after_seconds(row: Row, reported: FailedCall) -> int | None:
    """Return whole seconds, at least one, where trying again may help; the server's word goes before the table's."""
    if row.retry_after_seconds is None or reported.retry_after_seconds is None:
        return row.retry_after_seconds
    return max(1, math.ceil(reported.retry_after_seconds))


def _message(reported: FailedCall) -> str:
    if reported.code is StatusCode.UNAUTHENTICATED:
        return _without_place(reported.message)
    index = reported.metadata.get("index")
    violations = [f"{_place(violation.field, index)}: {violation.problem}" for violation in reported.violations]
    if violations:
        return "; ".join(violations)
    if index is not None and f"[{index}]" not in reported.message:
        return f"changes[{index}]: {reported.message}"
    return reported.message or "The request is malformed."


def _without_place(message: str) -> str:
    """Leave out in which metadata a credential came: over HTTP each dialect has a header of its own for it."""
    text = _METADATA.sub("", message, count=1)
    return f"{text[:1].upper()}{text[1:]}." if text else "The credentials are missing or not valid."


def _place(field: str, index: str | None) -> str:
    if index is None or "[" in field:
        return field or "request"
    return f"changes[{index}].{field}" if field else f"changes[{index}]"


def _details(reported: FailedCall) -> dict[str, int | str]:
    shown = {key: value for key, value in sorted(reported.metadata.items()) if key in _DETAILS}
    return {key: _number(value) if key in _NUMBERS else value for key, value in shown.items()}


def _limit(reported: FailedCall, retry_after_seconds: int) -> dict[str, int | str]:
    details: dict[str, int | str] = {"retry_after_seconds": retry_after_seconds}
    if scope := reported.metadata.get("scope"):
        details["scope"] = scope
    if window_seconds := reported.metadata.get("window_seconds"):
        details["window"] = f"{window_seconds}s"
    if (unit := reported.metadata.get("unit", "calls")) != "calls":
        details["unit"] = unit
    if maximum := reported.metadata.get("max"):
        details["max"] = _number(maximum)
    return details


def _number(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text
