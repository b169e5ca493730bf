"""Everything that can go wrong with a call, by what the caller may do about it.

    SynclineError
    ├── InvalidRequest           the request is malformed: mend it
    │   ├── CheckpointInvalid    the token is damaged, or of another user or project
    │   └── PushIdReused         another push had that push_id: make one for each
    ├── CheckpointExpired        the token's history is gone: start over without one, or with reset_when_expired
    ├── HeadMismatch             pull, then push again
    ├── EntityNotFound           a change needs an entity that is not there
    ├── NoteMismatch             read the note, then push again
    ├── NotesFull                delete some of the user's notes, then push again
    ├── EntityDiffers            an entity is there, known by other identifying members
    ├── TooLarge                 push less at once, or smaller data
    ├── Unauthenticated          the key or the session token is not known
    │   └── SessionExpired       sign in again; with a function as session token, the client does so by itself
    ├── PermissionDenied         the caller may not do this
    ├── RateLimited              wait for retry_after_seconds
    │   └── TooManyOpen          close some first, or wait
    ├── ReaderTooSlow            a stream's reader took nothing for too long
    ├── Unavailable              the server was not reached, or cannot serve now
    │   └── DeadlineExceeded     there was no answer in time
    └── ServerFailed             a defect of the server; its log knows the request_id

Which error a call ends with is decided by the reason that the server gives, never by a text.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from grpc import StatusCode

from syncline.failed_call import FailedCall, Violation


class SynclineError(Exception):
    """Base of all errors of a call."""

    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later."""

    def __init__(self, failure: FailedCall, *, outcome_unknown: bool = False) -> None:
        """`outcome_unknown`: an attempt of this push may have been applied, although this error says otherwise."""
        super().__init__(failure.message or failure.code.name)
        self.failure = failure
        self.outcome_unknown = outcome_unknown

    @property
    def reason(self) -> str:
        """Why, as one of the contract's reasons; empty: gRPC itself failed the call."""
        return self.failure.reason

    @property
    def retry_after_seconds(self) -> float:
        """How long to wait at least before the next attempt."""
        return self.failure.retry_after_seconds or 0.0

    @property
    def index(self) -> int | None:
        """Which change of the push it is about, if it is about one."""
        return self._number("index")

    def _number(self, name: str) -> int | None:
        text = self.failure.metadata.get(name, "")
        return int(text) if text.isdecimal() else None


class InvalidRequest(SynclineError):
    """The request is malformed; nothing was applied."""

    @property
    def violations(self) -> Sequence[Violation]:
        """Say which fields, and what is wrong with them."""
        return self.failure.violations


class CheckpointInvalid(InvalidRequest):
    """The token is damaged, or belongs to another user or project."""


class PushIdReused(InvalidRequest):
    """Another push had that `push_id`; nothing was applied."""


class CheckpointExpired(SynclineError):
    """The token's history is gone: drop what you have and start over without a token."""


class HeadMismatch(SynclineError):
    """`expected_head_ms` is not the user's head; nothing was applied."""

    @property
    def head_ms(self) -> int:
        """The user's head."""
        return self._number("head_ms") or 0


class EntityNotFound(SynclineError):
    """The change at `index` needs an entity that is not there; nothing was applied."""


class EntityDiffers(SynclineError):
    """The change at `index` has the id of an entity that is known by other members; nothing was applied."""


class NoteMismatch(SynclineError):
    """A note has another version than expected; nothing was applied."""

    @property
    def name(self) -> str:
        """The note."""
        return self.failure.metadata.get("name", "")

    @property
    def version(self) -> int:
        """The version that it has; 0: there is none."""
        return self._number("version") or 0


class NotesFull(SynclineError):
    """As much is kept in the user's notes as may be; nothing was applied."""


class TooLarge(SynclineError):
    """The request, its answer or an entity would be larger than allowed; nothing was applied."""


class Unauthenticated(SynclineError):
    """The key or the session token is missing, not known or not trusted."""


class SessionExpired(Unauthenticated):
    """The session token has expired."""


class PermissionDenied(SynclineError):
    """The caller may not do this."""


class RateLimited(SynclineError):
    """Too many calls; see `retry_after_seconds`."""

    retryable = True


class TooManyOpen(RateLimited):
    """As many calls or streams are open as one may have at once; see `retry_after_seconds`."""


class ReaderTooSlow(SynclineError):
    """The reader of a stream took nothing for too long."""

    retryable = True


class Unavailable(SynclineError):
    """The server was not reached, or cannot serve now. What a push came to is not known."""

    retryable = True


class DeadlineExceeded(Unavailable):
    """There was no answer in time. What a push came to is not known."""


class ServerFailed(SynclineError):
    """A defect of the server; nothing was applied."""

    retryable = True

    @property
    def request_id(self) -> str:
        """What the server's log knows it by."""
        return self.failure.metadata.get("request_id", "")


ERROR_OF_REASON: Final[Mapping[str, type[SynclineError]]] = {
    "REQUEST_INVALID": InvalidRequest,
    "CHANGE_INVALID": InvalidRequest,
    "CHECKPOINT_INVALID": CheckpointInvalid,
    "PUSH_ID_REUSED": PushIdReused,
    "CHECKPOINT_EXPIRED": CheckpointExpired,
    "HEAD_MISMATCH": HeadMismatch,
    "ENTITY_NOT_FOUND": EntityNotFound,
    "ENTITY_DIFFERS": EntityDiffers,
    "NOTE_MISMATCH": NoteMismatch,
    "NOTES_FULL": NotesFull,
    "DATA_TOO_LARGE": TooLarge,
    "ANSWER_TOO_LARGE": TooLarge,
    "KEY_INVALID": Unauthenticated,
    "SESSION_INVALID": Unauthenticated,
    "SESSION_EXPIRED": SessionExpired,
    "SERVER_KEY_REQUIRED": PermissionDenied,
    "USER_FORBIDDEN": PermissionDenied,
    "TYPE_FORBIDDEN": PermissionDenied,
    "PROJECT_DISABLED": PermissionDenied,
    "RATE_LIMITED": RateLimited,
    "TOO_MANY_OPEN": TooManyOpen,
    "READER_TOO_SLOW": ReaderTooSlow,
    "DRAINING": Unavailable,
    "OVERLOADED": Unavailable,
    "STORE_UNAVAILABLE": Unavailable,
    "INTERNAL": ServerFailed,
}

ERROR_OF_CODE: Final[Mapping[StatusCode, type[SynclineError]]] = {
    StatusCode.INVALID_ARGUMENT: InvalidRequest,
    StatusCode.UNAUTHENTICATED: Unauthenticated,
    StatusCode.PERMISSION_DENIED: PermissionDenied,
    StatusCode.RESOURCE_EXHAUSTED: TooLarge,  # gRPC's own word for a message over its limit
    StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    StatusCode.UNAVAILABLE: Unavailable,
    # A connection that breaks in mid-call may show itself as any of these.
    StatusCode.CANCELLED: Unavailable,
    StatusCode.INTERNAL: Unavailable,
    StatusCode.UNKNOWN: Unavailable,
}
"""For a status without a reason of ours: what gRPC, or something between us and the server, says by itself."""


def error_of(failure: FailedCall) -> SynclineError:
    """Return the error that a failure is."""
    by_code = ERROR_OF_CODE.get(failure.code, SynclineError)
    if failure.reason:
        # A later server may have reasons that this client does not know yet; a defect is not a broken connection.
        by_code = ServerFailed if failure.code is StatusCode.INTERNAL else by_code
        return ERROR_OF_REASON.get(failure.reason, by_code)(failure)
    return by_code(failure)
