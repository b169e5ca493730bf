"""What is read of a failed call, whoever reads it."""

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

from syncline.failed_call import DOMAIN, FailedCall, Violation, failed_call

CODE = StatusCode.INVALID_ARGUMENT


def failed(*details: Message) -> AioRpcError:
    packed = [any_pb2.Any() for _ in details]
    for each, detail in zip(packed, details, strict=True):
        each.Pack(detail)
    status = status_pb2.Status(code=CODE.value[0], message="ours", details=packed)
    return with_trailing(status.SerializeToString())


def with_trailing(value: bytes) -> AioRpcError:
    return AioRpcError(CODE, Metadata(), Metadata(("grpc-status-details-bin", value)), details="anybody's")


def info(domain: str = DOMAIN, **metadata: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(domain=domain, reason="CHANGE_INVALID", metadata=metadata)


def test_every_detail_of_the_server_is_read():
    violation = error_details_pb2.BadRequest.FieldViolation(field="data", description="must be an object")
    delay = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=2, nanos=500_000_000))
    error = failed(info(index="3"), delay, error_details_pb2.BadRequest(field_violations=[violation]))
    violations = (Violation("data", "must be an object"),)
    assert failed_call(error) == FailedCall(CODE, "CHANGE_INVALID", "ours", {"index": "3"}, violations, 2.5)


def test_a_delay_of_nothing_is_not_the_same_as_none():
    assert failed_call(failed(info(), error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration()))) == FailedCall(
        CODE, "CHANGE_INVALID", "ours", {}, (), 0.0
    )
    assert failed_call(failed(info())).retry_after_seconds is None


def test_the_words_of_another_domain_and_of_nobody_are_no_reason():
    for error in (failed(info("example.com")), failed(), with_trailing(b"\xff\xff")):
        assert failed_call(error) == FailedCall(CODE, message="anybody's")
