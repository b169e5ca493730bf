"""Which error each failure of a call becomes."""

import pytest
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

import syncline_client
from syncline.failed_call import FailedCall, Violation, failed_call
from syncline.v1 import sync_pb2
from syncline_client import errors
from syncline_client.errors import ERROR_OF_CODE, ERROR_OF_REASON, SynclineError, error_of

REASONS = [name.removeprefix("ERROR_REASON_") for name in sync_pb2.ErrorReason.keys()[1:]]
LEAVES = {error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, SynclineError)}


def failed(code: StatusCode, message: str, *details: Message) -> SynclineError:
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    status = status_pb2.Status(code=code.value[0], message=message, details=packed)
    trailing = Metadata(("grpc-status-details-bin", status.SerializeToString()))
    return error_of(failed_call(AioRpcError(code, Metadata(), trailing, details=message)))


def info(reason: str, **metadata: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(domain="syncline.v1", reason=reason, metadata=metadata)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_the_contract_has_its_error(reason: str):
    assert reason in ERROR_OF_REASON


def test_every_error_is_that_of_some_reason_or_code_and_is_exported():
    used = {*ERROR_OF_REASON.values(), *ERROR_OF_CODE.values()}
    assert used == LEAVES - {SynclineError}
    assert {error.__name__ for error in LEAVES} <= set(syncline_client.__all__)


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (StatusCode.INVALID_ARGUMENT, "NEW_REASON", errors.InvalidRequest),
        (StatusCode.INTERNAL, "NEW_REASON", errors.ServerFailed),
        (StatusCode.INTERNAL, "", errors.Unavailable),
        (StatusCode.UNIMPLEMENTED, "", SynclineError),
        (StatusCode.RESOURCE_EXHAUSTED, "", errors.TooLarge),
    ],
)
def test_without_a_known_reason_the_code_decides(code: StatusCode, reason: str, error: type[SynclineError]):
    assert type(error_of(FailedCall(code, reason))) is error


def test_an_error_carries_what_the_server_said_of_it():
    violation = error_details_pb2.BadRequest.FieldViolation(field="changes[3].data", description="must be an object")
    error = failed(
        StatusCode.INVALID_ARGUMENT,
        "changes[3].data: must be an object",
        info("CHANGE_INVALID", index="3"),
        error_details_pb2.BadRequest(field_violations=[violation]),
    )
    assert isinstance(error, errors.InvalidRequest)
    assert error.index == 3
    assert error.violations == (Violation("changes[3].data", "must be an object"),)
    assert str(error) == "changes[3].data: must be an object"


def test_a_rate_limit_says_when_to_come_back():
    delay = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=7))
    error = failed(StatusCode.RESOURCE_EXHAUSTED, "Too many.", info("RATE_LIMITED"), delay)
    assert isinstance(error, errors.RateLimited)
    assert error.retry_after_seconds == 7


def test_a_head_mismatch_names_the_head():
    error = failed(StatusCode.ABORTED, "", info("HEAD_MISMATCH", head_ms="1790000000000"))
    assert isinstance(error, errors.HeadMismatch)
    assert error.head_ms == 1790000000000


def test_what_others_on_the_way_say_is_not_taken_for_the_servers_word():
    of_a_proxy = error_details_pb2.ErrorInfo(domain="proxy.example", reason="CHECKPOINT_EXPIRED")
    assert type(failed(StatusCode.UNAVAILABLE, "upstream", of_a_proxy)) is errors.Unavailable
