"""How this dialect words a failure: a status for each reason, type and code for each status, one body shape."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from starlette.responses import Response

from syncline_bridge.dialects.mutation_sync.models import MutationError, MutationErrorAnswer
from syncline_bridge.edge.answers import failure_answer
from syncline_bridge.failure import Failure, RefusedError


class Labels(NamedTuple):
    """What a status is called, in the two places that name it."""

    type: str
    code: str


class Row(NamedTuple):
    """Where a reason is told differently from what its status in other dialects says."""

    http_status: int
    message: str | None = None
    code: str | None = None
    """None: that of its status."""


LABELS: Mapping[int, Labels] = MappingProxyType(
    {
        400: Labels("invalid_request", "invalid_request"),
        401: Labels("unauthorized", "unauthorized"),
        403: Labels("forbidden", "forbidden"),
        404: Labels("not_found", "not_found"),
        405: Labels("method_not_allowed", "method_not_allowed"),
        408: Labels("request_timeout", "request_timeout"),
        409: Labels("conflict", "OutOfSyncError"),
        413: Labels("payload_too_large", "payload_too_large"),
        415: Labels("unsupported_encoding", "unsupported_encoding"),
        422: Labels("unprocessable_entity", "ValidationError"),
        429: Labels("rate_limit_exceeded", "rate_limit_exceeded"),
        500: Labels("internal_server_error", "internal_server_error"),
        502: Labels("bad_gateway", "bad_gateway"),
        503: Labels("service_unavailable", "service_unavailable"),
        504: Labels("gateway_timeout", "gateway_timeout"),
    }
)

_NOT_UNDERSTOOD = Row(502, "The server gave an answer that makes no sense. The request id tells the operator more.")

ROWS: Mapping[str, Row] = MappingProxyType(
    {
        "HEAD_MISMATCH": Row(409, "Invalid lastMutationAt, please re-sync your data and try again."),
        "ENTITY_DIFFERS": Row(409, code="ResourceIdTaken"),
        "CHANGE_INVALID": Row(422),
        "DATA_TOO_LARGE": Row(422),
        "CHECKPOINT_INVALID": Row(422, "Invalid cursor"),
        "PUSH_ID_REUSED": Row(422, "Idempotency-Key is that of another request: make one for each at random."),
        "DEADLINE_EXCEEDED": Row(504, "The server did not answer in time. Re-sync your data and try again."),
        "UNKNOWN": _NOT_UNDERSTOOD,
        "UNIMPLEMENTED": _NOT_UNDERSTOOD,
        "DATA_LOSS": _NOT_UNDERSTOOD,
    }
)


def answer(failure: Failure) -> Response:
    """Render a failure."""
    row = ROWS.get(failure.reason, Row(failure.http_status))
    labels = LABELS[row.http_status]
    error = MutationError(row.code or labels.code, row.message or failure.message)
    facts = {_camel(name): value for name, value in failure.details.items()}
    details = {"success": False, "error": error, **facts}
    body = MutationErrorAnswer(False, error.message, labels.type, error, details)
    return failure_answer(body, row.http_status, failure)


def unprocessable(message: str, **details: int | str) -> RefusedError:
    """Refuse a request that is malformed, in this dialect's own words."""
    return RefusedError(Failure(422, "UNPROCESSABLE", message, details=details))


def page_too_large() -> RefusedError:
    """Refuse a numbered page that is over the limit of an answer: who goes on by number would miss what was cut off."""
    message = "The page is too large. Ask for a lower limit, or page with cursor instead of page."
    return RefusedError(Failure(413, "ANSWER_TOO_LARGE", message))


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
