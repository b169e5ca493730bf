"""What the ends of calls tell monitoring, beside their codes."""

from typing import Final

from syncline.v1 import sync_pb2
from syncline_server.rpc.metrics import Metrics
from syncline_server.rpc.status import STATUS_OF
from syncline_server.sync.errors import CheckpointExpired, CheckpointInvalid, RateLimited, StoreUnavailable, SyncError

_CLASS_CHARACTERS: Final = 2
_NO_STATE: Final = "none"


def count_failure(metrics: Metrics, error: BaseException) -> None:
    """Count a call that failed, where monitoring wants to know of such ones."""
    match error:
        case CheckpointExpired():
            metrics.checkpoint_rejected.labels("expired").inc()
        case CheckpointInvalid():
            metrics.checkpoint_rejected.labels("invalid").inc()
        case RateLimited():
            metrics.rate_limited.inc()
        case StoreUnavailable():
            metrics.store_errors.labels(_class_of(error)).inc()


def reason_of(error: BaseException, code: str) -> str:
    """Return why a call ended: a reason of the contract, else its code."""
    row = STATUS_OF.get(type(error)) if isinstance(error, SyncError) else None
    return code if row is None else sync_pb2.ErrorReason.Name(row[1]).removeprefix("ERROR_REASON_")


def _class_of(error: StoreUnavailable) -> str:
    """Return the class of the SQLSTATE that lies under an error: its first two characters."""
    cause: object = error.__cause__
    state = getattr(getattr(cause, "orig", cause), "sqlstate", None)
    return state[:_CLASS_CHARACTERS] if isinstance(state, str) else _NO_STATE
