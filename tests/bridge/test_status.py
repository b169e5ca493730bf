"""What a gRPC error means in HTTP, stated again as data."""

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

from syncline.v1 import sync_pb2
from syncline_bridge.dialects.checkpoint_sync import errors
from syncline_bridge.failure import Failure
from syncline_bridge.status import TABLE, failure_of

SECRET = "postgresql://user:secret@db/sync"


def rich(
    code: StatusCode,
    reason: str,
    *,
    words: str = SECRET,
    metadata: Mapping[str, str] | None = None,
    retry_after_seconds: float | None = None,
    violations: Mapping[str, str] | None = None,
    domain: str = "syncline.v1",
) -> AioRpcError:
    details: list[Any] = [error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata or {})]
    if retry_after_seconds is not None:
        delay = Duration(nanos=0)
        delay.FromMilliseconds(int(retry_after_seconds * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if violations:
        field = error_details_pb2.BadRequest.FieldViolation
        listed = [field(field=name, description=text) for name, text in violations.items()]
        details.append(error_details_pb2.BadRequest(field_violations=listed))
    status = status_pb2.Status(code=code.value[0], message=words)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return plain(code, words, ("grpc-status-details-bin", status.SerializeToString()))


def plain(code: StatusCode, words: str = SECRET, *trailing: tuple[str, bytes]) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(*trailing), details=words)


@pytest.mark.parametrize(
    ("code", "reason", "http_status", "dialect_code"),
    [
        (StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID", 400, "INVALID_INPUT"),
        (StatusCode.INVALID_ARGUMENT, "CHANGE_INVALID", 400, "INVALID_INPUT"),
        (StatusCode.INVALID_ARGUMENT, "CHECKPOINT_INVALID", 400, "INVALID_INPUT"),
        (StatusCode.INVALID_ARGUMENT, "PUSH_ID_REUSED", 400, "INVALID_INPUT"),
        (StatusCode.OUT_OF_RANGE, "CHECKPOINT_EXPIRED", 400, "INVALID_INPUT"),
        (StatusCode.FAILED_PRECONDITION, "DATA_TOO_LARGE", 400, "INVALID_INPUT"),
        (StatusCode.NOT_FOUND, "ENTITY_NOT_FOUND", 404, "NOT_FOUND"),
        (StatusCode.ALREADY_EXISTS, "ENTITY_DIFFERS", 409, "CONFLICT"),
        (StatusCode.ABORTED, "NOTE_MISMATCH", 409, "CONFLICT"),
        (StatusCode.RESOURCE_EXHAUSTED, "NOTES_FULL", 400, "INVALID_INPUT"),
        (StatusCode.ABORTED, "HEAD_MISMATCH", 409, "CONFLICT"),
        (StatusCode.UNAUTHENTICATED, "KEY_INVALID", 401, "UNAUTHORIZED"),
        (StatusCode.UNAUTHENTICATED, "SESSION_INVALID", 401, "UNAUTHORIZED"),
        (StatusCode.UNAUTHENTICATED, "SESSION_EXPIRED", 401, "UNAUTHORIZED"),
        (StatusCode.PERMISSION_DENIED, "SERVER_KEY_REQUIRED", 403, "FORBIDDEN"),
        (StatusCode.PERMISSION_DENIED, "USER_FORBIDDEN", 403, "FORBIDDEN"),
        (StatusCode.PERMISSION_DENIED, "TYPE_FORBIDDEN", 403, "FORBIDDEN"),
        (StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", 429, "RATE_LIMITED"),
        (StatusCode.RESOURCE_EXHAUSTED, "ANSWER_TOO_LARGE", 413, "PAYLOAD_TOO_LARGE"),
        (StatusCode.RESOURCE_EXHAUSTED, "READER_TOO_SLOW", 503, "SYNC_FAILED"),
        (StatusCode.UNAVAILABLE, "DRAINING", 503, "SYNC_FAILED"),
        (StatusCode.UNAVAILABLE, "OVERLOADED", 503, "SYNC_FAILED"),
        (StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", 503, "SYNC_FAILED"),
        (StatusCode.INTERNAL, "INTERNAL", 500, "SYNC_FAILED"),
        (StatusCode.RESOURCE_EXHAUSTED, "A_LATER_REASON", 413, "PAYLOAD_TOO_LARGE"),
        (StatusCode.NOT_FOUND, "A_LATER_REASON", 500, "SYNC_FAILED"),
    ],
)
def test_each_reason_has_its_http_status_and_code(
    code: StatusCode, reason: str, http_status: int, dialect_code: str
) -> None:
    failure = failure_of(rich(code, reason))
    assert (failure.http_status, failure.reason) == (http_status, reason)
    assert errors.CODES[failure.http_status] == dialect_code


@pytest.mark.parametrize(
    ("code", "http_status"),
    [
        (StatusCode.UNAVAILABLE, 503),
        (StatusCode.DEADLINE_EXCEEDED, 503),
        (StatusCode.CANCELLED, 503),
        (StatusCode.UNAUTHENTICATED, 401),
        (StatusCode.PERMISSION_DENIED, 403),
        (StatusCode.INVALID_ARGUMENT, 400),
        (StatusCode.RESOURCE_EXHAUSTED, 413),
        (StatusCode.INTERNAL, 500),
        (StatusCode.UNKNOWN, 500),
        (StatusCode.UNIMPLEMENTED, 500),
        (StatusCode.DATA_LOSS, 500),
        (StatusCode.NOT_FOUND, 500),
    ],
)
@pytest.mark.parametrize("error", [plain, lambda code: rich(code, "CHANGE_INVALID", domain="example.com")])
def test_a_status_without_our_reason_says_a_fixed_sentence(error: Any, code: StatusCode, http_status: int) -> None:
    failure = failure_of(error(code))
    assert (failure.http_status, failure.reason) == (http_status, code.name)
    assert SECRET not in failure.message
    assert not failure.details


def test_unreadable_status_details_count_as_none() -> None:
    failure = failure_of(plain(StatusCode.INVALID_ARGUMENT, SECRET, ("grpc-status-details-bin", b"\xff\xff")))
    assert failure == Failure(400, "INVALID_ARGUMENT", "The request is malformed.")


@pytest.mark.parametrize("key", [key for key, row in TABLE.items() if row.sentence is not None])
def test_the_words_of_the_server_are_not_shown_where_the_table_has_a_sentence(key: tuple[StatusCode, str]) -> None:
    code, reason = key
    failure = failure_of(rich(code, reason) if reason else plain(code))
    assert SECRET not in failure.message


def test_every_reason_of_the_contract_is_in_the_table() -> None:
    reasons = {name.removeprefix("ERROR_REASON_") for name in sync_pb2.ErrorReason.keys()}  # noqa: SIM118
    assert reasons - {"UNSPECIFIED"} == {reason for _, reason in TABLE} - {""}


def test_every_http_status_of_the_table_has_a_code_in_the_dialect() -> None:
    assert {row.http_status for row in TABLE.values()} <= errors.CODES.keys()


@pytest.mark.parametrize("key", [key for key, row in TABLE.items() if row.http_status in {429, 503}])
def test_whoever_may_try_again_is_told_when(key: tuple[StatusCode, str]) -> None:
    code, reason = key
    assert failure_of(rich(code, reason) if reason else plain(code)).retry_after_seconds == 1


@pytest.mark.parametrize(("delay_seconds", "retry_after"), [(0, 1), (0.2, 1), (1, 1), (2.001, 3), (60, 60)])
def test_retry_info_becomes_whole_seconds_at_least_one(delay_seconds: float, retry_after: int) -> None:
    failure = failure_of(rich(StatusCode.UNAVAILABLE, "DRAINING", retry_after_seconds=delay_seconds))
    assert failure.retry_after_seconds == retry_after


def test_a_rate_limit_names_its_scope_window_and_maximum() -> None:
    metadata = {"scope": "user", "window_seconds": "60", "max": "120", "internal": "x"}
    error = rich(StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", metadata=metadata, retry_after_seconds=2.5)
    assert failure_of(error).details == {"retry_after_seconds": 3, "scope": "user", "window": "60s", "max": 120}


@pytest.mark.parametrize(
    ("words", "violations", "message"),
    [
        ("no", {"entity_id": "is empty"}, "changes[3].entity_id: is empty"),
        ("no", {"changes[3].data": "is nested too deep"}, "changes[3].data: is nested too deep"),
        (
            "no",
            {"entity_id": "is empty", "data": "is a list"},
            "changes[3].entity_id: is empty; changes[3].data: is a list",
        ),
        ("entity_id is empty", {}, "changes[3]: entity_id is empty"),
        ("changes[3].entity_id is empty", {}, "changes[3].entity_id is empty"),
    ],
)
def test_a_bad_change_is_named_by_index_and_field(words: str, violations: dict[str, str], message: str) -> None:
    error = rich(
        StatusCode.INVALID_ARGUMENT, "CHANGE_INVALID", words=words, violations=violations, metadata={"index": "3"}
    )
    failure = failure_of(error)
    assert (failure.message, failure.details) == (message, {"index": 3})


def test_metadata_shows_only_what_a_client_can_use() -> None:
    metadata = {"index": "1", "limit_bytes": "262144", "field": "data", "host": "db-1"}
    error = rich(StatusCode.FAILED_PRECONDITION, "DATA_TOO_LARGE", words="changes[1]: too large", metadata=metadata)
    assert failure_of(error).details == {"field": "data", "index": 1, "limit_bytes": 262144}
