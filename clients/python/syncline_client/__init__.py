"""The Python client of Syncline: pushes changes, pulls pages, follows the log live."""

from syncline.failed_call import Violation
from syncline_client.answers import Batch, Found, Outcome, Page, Pushed, PushResult
from syncline_client.changes import Action, Change, NewChange, create, delete, moment_of, revision_at, update
from syncline_client.client import SyncClient
from syncline_client.credentials import SessionToken
from syncline_client.errors import (
    CheckpointExpired,
    CheckpointInvalid,
    DeadlineExceeded,
    EntityDiffers,
    EntityNotFound,
    HeadMismatch,
    InvalidRequest,
    NoteMismatch,
    NotesFull,
    PermissionDenied,
    PushIdReused,
    RateLimited,
    ReaderTooSlow,
    ServerFailed,
    SessionExpired,
    SynclineError,
    TooLarge,
    TooManyOpen,
    Unauthenticated,
    Unavailable,
)
from syncline_client.notes import NewNote, Note
from syncline_client.pusher import Pusher
from syncline_client.timing import Timing

__all__ = [
    "Action",
    "Batch",
    "Change",
    "CheckpointExpired",
    "CheckpointInvalid",
    "DeadlineExceeded",
    "EntityDiffers",
    "EntityNotFound",
    "Found",
    "HeadMismatch",
    "InvalidRequest",
    "NewChange",
    "NewNote",
    "Note",
    "NoteMismatch",
    "NotesFull",
    "Outcome",
    "Page",
    "PermissionDenied",
    "PushIdReused",
    "PushResult",
    "Pushed",
    "Pusher",
    "RateLimited",
    "ReaderTooSlow",
    "ServerFailed",
    "SessionExpired",
    "SessionToken",
    "SyncClient",
    "SynclineError",
    "Timing",
    "TooLarge",
    "TooManyOpen",
    "Unauthenticated",
    "Unavailable",
    "Violation",
    "create",
    "delete",
    "moment_of",
    "revision_at",
    "update",
]
