"""Everything that can go wrong in a way a client is told about.

    SyncError
    ├── InvalidError             the request is malformed
    │   ├── RequestInvalid
    │   ├── ChangeInvalid
    │   ├── CheckpointInvalid
    │   └── PushIdReused
    ├── CheckpointExpired
    ├── PreconditionError        the request is well-formed, the state is against it; nothing was applied
    │   ├── HeadMismatch
    │   ├── EntityNotFound
    │   ├── EntityDiffers
    │   ├── NoteMismatch
    │   ├── NotesFull
    │   ├── DataTooLarge
    │   └── AnswerTooLarge
    ├── IdentityError            who is calling is not known
    │   ├── KeyInvalid
    │   ├── SessionInvalid
    │   └── SessionExpired
    ├── ForbiddenError           the caller may not do this
    │   ├── ServerKeyRequired
    │   ├── UserForbidden
    │   ├── TypeForbidden
    │   └── ProjectDisabled
    ├── RateLimited
    ├── TooManyOpen
    ├── ReaderTooSlow
    └── UnavailableError         try again
        ├── Draining
        ├── Overloaded
        └── StoreUnavailable

Each leaf maps to one gRPC code and reason in rpc/status.py. Messages are written for clients.
"""

from syncline_server.sync.changes import MICROSECONDS_PER_MS


class SyncError(Exception):
    """Base of all errors that clients are told about; `details` are its machine-readable facts."""

    message = "The request failed."

    def __init__(self, message: str | None = None, **details: str | int) -> None:
        super().__init__(message or self.message)
        self.details = details


class InvalidError(SyncError):
    """The request is malformed: a field, and what is wrong with it."""

    field: str
    problem: str


class RequestInvalid(InvalidError):
    """A field of the request is malformed."""

    def __init__(self, field: str, problem: str, **limits: int) -> None:
        """`limits` are what the problem says in words: `limit`, a number of things, or `limit_bytes`."""
        super().__init__(f"{field}: {problem}", field=field, **limits)
        self.field = field
        self.problem = problem


class ChangeInvalid(InvalidError):
    """A field of one change is malformed."""

    def __init__(self, index: int, field: str, problem: str, **limits: int) -> None:
        """Name the field; empty: the whole change is malformed. `limits` are those of RequestInvalid."""
        place = f"changes[{index}].{field}" if field else f"changes[{index}]"
        named = {"field": field} if field else {}
        super().__init__(f"{place}: {problem}", index=index, **named, **limits)
        self.field = place
        self.problem = problem


class CheckpointInvalid(InvalidError):
    """A token is damaged, or belongs to another user or project."""

    message = "checkpoint_token: not a token of this server for this user and project"
    field = "checkpoint_token"
    problem = "not a token of this server for this user and project"


class PushIdReused(InvalidError):
    """A `push_id` is that of another push."""

    message = "push_id: is that of another push; make it at random, one for each push"
    field = "push_id"
    problem = "is that of another push; make it at random, one for each push"


class CheckpointExpired(SyncError):
    """A token's history is not kept (any more)."""

    message = "The history this checkpoint belongs to is gone; start over without a checkpoint."


class PreconditionError(SyncError):
    """The request is well-formed but the state is against it; nothing was applied."""


class HeadMismatch(PreconditionError):
    """`expected_head_ms` is not the user's head."""

    def __init__(self, head_revision: int) -> None:
        head_ms = head_revision // MICROSECONDS_PER_MS
        super().__init__("The user's head is not the expected one; pull, then push again.", head_ms=head_ms)
        self.head_revision = head_revision
        self.head_ms = head_ms


class EntityNotFound(PreconditionError):
    """A change names an entity that has to exist and does not."""

    def __init__(self, index: int) -> None:
        super().__init__(f"changes[{index}]: there is no such entity", index=index)


class EntityDiffers(PreconditionError):
    """What a change names is there, but is known by other members: two ids came to the same."""

    def __init__(self, index: int) -> None:
        super().__init__(f"changes[{index}]: its id is that of another entity, known by other members", index=index)


class NoteMismatch(PreconditionError):
    """A note of the push has another version than expected."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__(
            f"The note {name!r} has version {version}; read it, then push again.", name=name, version=version
        )


class NotesFull(PreconditionError):
    """As much is kept in the user's notes as may be."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The user's notes are over {limit_bytes} bytes; delete some, then push again.", limit_bytes=limit_bytes
        )


class DataTooLarge(PreconditionError):
    """An update would make its entity's data larger than data may be."""

    def __init__(self, index: int, limit_bytes: int) -> None:
        super().__init__(
            f"changes[{index}].data: merged with what is stored it is over the limit of {limit_bytes} bytes",
            index=index,
            limit_bytes=limit_bytes,
        )


class AnswerTooLarge(PreconditionError):
    """The versions to answer with are larger than an answer may be."""

    def __init__(self, limit_bytes: int, way_out: str = "push fewer changes at once") -> None:
        super().__init__(
            f"The versions to answer with are over {limit_bytes} bytes; {way_out}.", limit_bytes=limit_bytes
        )


class IdentityError(SyncError):
    """The caller is not known."""


class KeyInvalid(IdentityError):
    """There is no key in the call, or it is not known; the detail `cause` is a word for which."""

    message = "x-api-key: the API key is not known"


class SessionInvalid(IdentityError):
    """There is no session token where one is needed, or it cannot be trusted; the detail `cause` is a word for why."""

    message = "authorization: the session token is not valid for this project"


class SessionExpired(IdentityError):
    """The session token has expired."""

    message = "authorization: the session token has expired"


class ForbiddenError(SyncError):
    """The caller may not do this."""


class ServerKeyRequired(ForbiddenError):
    """A client key was used where a server key is needed."""

    message = "This needs a server key."


class UserForbidden(ForbiddenError):
    """A session named another user than its own."""

    message = "user_id: a session may only name its own user"


class TypeForbidden(ForbiddenError):
    """The session's scopes do not cover an entity type."""

    def __init__(self, entity_type: str, message: str | None = None) -> None:
        super().__init__(
            message or f"The session's scopes do not cover the entity type {entity_type!r}.", entity_type=entity_type
        )


class ProjectDisabled(ForbiddenError):
    """The operator has disabled the project, or is deleting it."""

    message = "The project is disabled."


class RateLimited(SyncError):
    """Too much in a window of time, or in all."""

    def __init__(
        self, *, scope: str, window_seconds: int, maximum: int, retry_after_seconds: float, unit: str = "calls"
    ) -> None:
        """`unit` says what there is at most `maximum` of; a window of 0 s is all time."""
        window = {"window_seconds": window_seconds} if window_seconds else {}
        when = f" in {window_seconds} s" if window_seconds else ""
        super().__init__(f"More than {maximum} {unit}{when}.", scope=scope, max=maximum, unit=unit, **window)
        self.retry_after_seconds = retry_after_seconds


class TooManyOpen(SyncError):
    """A caller has as many calls or streams open as one may have at once."""

    retry_after_seconds = 1.0

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"There are {limit} {what} open already, as many as there may be at once.", limit=limit)


class ReaderTooSlow(SyncError):
    """The reader of a stream took nothing for too long."""

    def __init__(self, checkpoint_token: str) -> None:
        super().__init__("The reader took nothing for too long.", checkpoint_token=checkpoint_token)


class UnavailableError(SyncError):
    """The server cannot serve this now; try again."""

    retry_after_seconds = 1.0


class Draining(UnavailableError):
    """The server is going away."""

    message = "The server is going away; connect again."


class Overloaded(UnavailableError):
    """Too much waits to be committed; nothing was applied."""

    message = "Too many pushes wait for the store; try again."


class StoreUnavailable(UnavailableError):
    """The database cannot be reached, or is busy beyond its time limits."""

    message = "The store is not available; try again."
