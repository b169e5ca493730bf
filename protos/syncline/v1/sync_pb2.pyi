import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTION_UNSPECIFIED: _ClassVar[Action]
    ACTION_CREATE: _ClassVar[Action]
    ACTION_UPDATE: _ClassVar[Action]
    ACTION_DELETE: _ClassVar[Action]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_APPLIED: _ClassVar[Outcome]
    OUTCOME_CONFLICT: _ClassVar[Outcome]

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_REQUEST_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_CHANGE_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_CHECKPOINT_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_CHECKPOINT_EXPIRED: _ClassVar[ErrorReason]
    ERROR_REASON_HEAD_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_ENTITY_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_DATA_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_ANSWER_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_KEY_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_SESSION_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_SESSION_EXPIRED: _ClassVar[ErrorReason]
    ERROR_REASON_SERVER_KEY_REQUIRED: _ClassVar[ErrorReason]
    ERROR_REASON_USER_FORBIDDEN: _ClassVar[ErrorReason]
    ERROR_REASON_TYPE_FORBIDDEN: _ClassVar[ErrorReason]
    ERROR_REASON_RATE_LIMITED: _ClassVar[ErrorReason]
    ERROR_REASON_READER_TOO_SLOW: _ClassVar[ErrorReason]
    ERROR_REASON_DRAINING: _ClassVar[ErrorReason]
    ERROR_REASON_STORE_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_INTERNAL: _ClassVar[ErrorReason]
    ERROR_REASON_OVERLOADED: _ClassVar[ErrorReason]
    ERROR_REASON_PUSH_ID_REUSED: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_MANY_OPEN: _ClassVar[ErrorReason]
    ERROR_REASON_NOTE_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_NOTES_FULL: _ClassVar[ErrorReason]
    ERROR_REASON_ENTITY_DIFFERS: _ClassVar[ErrorReason]
    ERROR_REASON_PROJECT_DISABLED: _ClassVar[ErrorReason]
ACTION_UNSPECIFIED: Action
ACTION_CREATE: Action
ACTION_UPDATE: Action
ACTION_DELETE: Action
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_APPLIED: Outcome
OUTCOME_CONFLICT: Outcome
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_REQUEST_INVALID: ErrorReason
ERROR_REASON_CHANGE_INVALID: ErrorReason
ERROR_REASON_CHECKPOINT_INVALID: ErrorReason
ERROR_REASON_CHECKPOINT_EXPIRED: ErrorReason
ERROR_REASON_HEAD_MISMATCH: ErrorReason
ERROR_REASON_ENTITY_NOT_FOUND: ErrorReason
ERROR_REASON_DATA_TOO_LARGE: ErrorReason
ERROR_REASON_ANSWER_TOO_LARGE: ErrorReason
ERROR_REASON_KEY_INVALID: ErrorReason
ERROR_REASON_SESSION_INVALID: ErrorReason
ERROR_REASON_SESSION_EXPIRED: ErrorReason
ERROR_REASON_SERVER_KEY_REQUIRED: ErrorReason
ERROR_REASON_USER_FORBIDDEN: ErrorReason
ERROR_REASON_TYPE_FORBIDDEN: ErrorReason
ERROR_REASON_RATE_LIMITED: ErrorReason
ERROR_REASON_READER_TOO_SLOW: ErrorReason
ERROR_REASON_DRAINING: ErrorReason
ERROR_REASON_STORE_UNAVAILABLE: ErrorReason
ERROR_REASON_INTERNAL: ErrorReason
ERROR_REASON_OVERLOADED: ErrorReason
ERROR_REASON_PUSH_ID_REUSED: ErrorReason
ERROR_REASON_TOO_MANY_OPEN: ErrorReason
ERROR_REASON_NOTE_MISMATCH: ErrorReason
ERROR_REASON_NOTES_FULL: ErrorReason
ERROR_REASON_ENTITY_DIFFERS: ErrorReason
ERROR_REASON_PROJECT_DISABLED: ErrorReason

class Change(_message.Message):
    __slots__ = ("entity_type", "entity_id", "action", "data", "client_timestamp", "base_revision", "revision", "created_revision", "user_id", "required_entities", "only_if_absent", "retained_members", "identifying_members", "note")
    ENTITY_TYPE_FIELD_NUMBER: _ClassVar[int]
    ENTITY_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    CLIENT_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    BASE_REVISION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CREATED_REVISION_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_ENTITIES_FIELD_NUMBER: _ClassVar[int]
    ONLY_IF_ABSENT_FIELD_NUMBER: _ClassVar[int]
    RETAINED_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    IDENTIFYING_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    entity_type: str
    entity_id: str
    action: Action
    data: bytes
    client_timestamp: _timestamp_pb2.Timestamp
    base_revision: int
    revision: int
    created_revision: int
    user_id: str
    required_entities: _containers.RepeatedCompositeFieldContainer[EntityReference]
    only_if_absent: bool
    retained_members: _containers.RepeatedScalarFieldContainer[str]
    identifying_members: _containers.RepeatedScalarFieldContainer[str]
    note: Note
    def __init__(self, entity_type: _Optional[str] = ..., entity_id: _Optional[str] = ..., action: _Optional[_Union[Action, str]] = ..., data: _Optional[bytes] = ..., client_timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., base_revision: _Optional[int] = ..., revision: _Optional[int] = ..., created_revision: _Optional[int] = ..., user_id: _Optional[str] = ..., required_entities: _Optional[_Iterable[_Union[EntityReference, _Mapping]]] = ..., only_if_absent: _Optional[bool] = ..., retained_members: _Optional[_Iterable[str]] = ..., identifying_members: _Optional[_Iterable[str]] = ..., note: _Optional[_Union[Note, _Mapping]] = ...) -> None: ...

class Note(_message.Message):
    __slots__ = ("name", "value", "version", "expected_version", "ttl")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: bytes
    version: int
    expected_version: int
    ttl: int
    def __init__(self, name: _Optional[str] = ..., value: _Optional[bytes] = ..., version: _Optional[int] = ..., expected_version: _Optional[int] = ..., ttl: _Optional[int] = ...) -> None: ...

class EntityReference(_message.Message):
    __slots__ = ("entity_type", "entity_id")
    ENTITY_TYPE_FIELD_NUMBER: _ClassVar[int]
    ENTITY_ID_FIELD_NUMBER: _ClassVar[int]
    entity_type: str
    entity_id: str
    def __init__(self, entity_type: _Optional[str] = ..., entity_id: _Optional[str] = ...) -> None: ...

class PushRequest(_message.Message):
    __slots__ = ("changes", "checkpoint_token", "expected_head_ms", "require_existing", "user_id", "push_id", "notes")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_HEAD_MS_FIELD_NUMBER: _ClassVar[int]
    REQUIRE_EXISTING_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PUSH_ID_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    checkpoint_token: str
    expected_head_ms: int
    require_existing: bool
    user_id: str
    push_id: str
    notes: _containers.RepeatedCompositeFieldContainer[Note]
    def __init__(self, changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., checkpoint_token: _Optional[str] = ..., expected_head_ms: _Optional[int] = ..., require_existing: _Optional[bool] = ..., user_id: _Optional[str] = ..., push_id: _Optional[str] = ..., notes: _Optional[_Iterable[_Union[Note, _Mapping]]] = ...) -> None: ...

class PushResult(_message.Message):
    __slots__ = ("outcome", "replayed", "change", "note")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    replayed: bool
    change: Change
    note: Note
    def __init__(self, outcome: _Optional[_Union[Outcome, str]] = ..., replayed: _Optional[bool] = ..., change: _Optional[_Union[Change, _Mapping]] = ..., note: _Optional[_Union[Note, _Mapping]] = ...) -> None: ...

class PushResponse(_message.Message):
    __slots__ = ("results", "checkpoint_token", "head_ms")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    HEAD_MS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[PushResult]
    checkpoint_token: str
    head_ms: int
    def __init__(self, results: _Optional[_Iterable[_Union[PushResult, _Mapping]]] = ..., checkpoint_token: _Optional[str] = ..., head_ms: _Optional[int] = ...) -> None: ...

class PushStreamRequest(_message.Message):
    __slots__ = ("pushes",)
    PUSHES_FIELD_NUMBER: _ClassVar[int]
    pushes: _containers.RepeatedCompositeFieldContainer[PushRequest]
    def __init__(self, pushes: _Optional[_Iterable[_Union[PushRequest, _Mapping]]] = ...) -> None: ...

class PushStreamResponse(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[PushAnswer]
    def __init__(self, answers: _Optional[_Iterable[_Union[PushAnswer, _Mapping]]] = ...) -> None: ...

class PushAnswer(_message.Message):
    __slots__ = ("response", "status")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    response: PushResponse
    status: bytes
    def __init__(self, response: _Optional[_Union[PushResponse, _Mapping]] = ..., status: _Optional[bytes] = ...) -> None: ...

class PullRequest(_message.Message):
    __slots__ = ("entity_types", "checkpoint_token", "after_revision", "page_size", "skip", "include_total", "user_id", "reset_when_expired", "omit_forbidden_types", "head_only", "page_number")
    ENTITY_TYPES_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AFTER_REVISION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_TOTAL_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    RESET_WHEN_EXPIRED_FIELD_NUMBER: _ClassVar[int]
    OMIT_FORBIDDEN_TYPES_FIELD_NUMBER: _ClassVar[int]
    HEAD_ONLY_FIELD_NUMBER: _ClassVar[int]
    PAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    entity_types: _containers.RepeatedScalarFieldContainer[str]
    checkpoint_token: str
    after_revision: int
    page_size: int
    skip: int
    include_total: bool
    user_id: str
    reset_when_expired: bool
    omit_forbidden_types: bool
    head_only: bool
    page_number: int
    def __init__(self, entity_types: _Optional[_Iterable[str]] = ..., checkpoint_token: _Optional[str] = ..., after_revision: _Optional[int] = ..., page_size: _Optional[int] = ..., skip: _Optional[int] = ..., include_total: _Optional[bool] = ..., user_id: _Optional[str] = ..., reset_when_expired: _Optional[bool] = ..., omit_forbidden_types: _Optional[bool] = ..., head_only: _Optional[bool] = ..., page_number: _Optional[int] = ...) -> None: ...

class PullResponse(_message.Message):
    __slots__ = ("changes", "checkpoint_token", "has_more", "head_ms", "total_size", "reset")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    HEAD_MS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    checkpoint_token: str
    has_more: bool
    head_ms: int
    total_size: int
    reset: bool
    def __init__(self, changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., checkpoint_token: _Optional[str] = ..., has_more: _Optional[bool] = ..., head_ms: _Optional[int] = ..., total_size: _Optional[int] = ..., reset: _Optional[bool] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("entities", "note_names", "user_id")
    ENTITIES_FIELD_NUMBER: _ClassVar[int]
    NOTE_NAMES_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    entities: _containers.RepeatedCompositeFieldContainer[EntityReference]
    note_names: _containers.RepeatedScalarFieldContainer[str]
    user_id: str
    def __init__(self, entities: _Optional[_Iterable[_Union[EntityReference, _Mapping]]] = ..., note_names: _Optional[_Iterable[str]] = ..., user_id: _Optional[str] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("changes", "notes", "head_ms", "unread")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    HEAD_MS_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    notes: _containers.RepeatedCompositeFieldContainer[Note]
    head_ms: int
    unread: int
    def __init__(self, changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., notes: _Optional[_Iterable[_Union[Note, _Mapping]]] = ..., head_ms: _Optional[int] = ..., unread: _Optional[int] = ...) -> None: ...

class StreamPullRequest(_message.Message):
    __slots__ = ("entity_types", "checkpoint_token", "after_revision", "follow", "user_id", "all_users", "reset_when_expired")
    ENTITY_TYPES_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AFTER_REVISION_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ALL_USERS_FIELD_NUMBER: _ClassVar[int]
    RESET_WHEN_EXPIRED_FIELD_NUMBER: _ClassVar[int]
    entity_types: _containers.RepeatedScalarFieldContainer[str]
    checkpoint_token: str
    after_revision: int
    follow: bool
    user_id: str
    all_users: bool
    reset_when_expired: bool
    def __init__(self, entity_types: _Optional[_Iterable[str]] = ..., checkpoint_token: _Optional[str] = ..., after_revision: _Optional[int] = ..., follow: _Optional[bool] = ..., user_id: _Optional[str] = ..., all_users: _Optional[bool] = ..., reset_when_expired: _Optional[bool] = ...) -> None: ...

class CreateTicketRequest(_message.Message):
    __slots__ = ("entity_types",)
    ENTITY_TYPES_FIELD_NUMBER: _ClassVar[int]
    entity_types: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, entity_types: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateTicketResponse(_message.Message):
    __slots__ = ("ticket", "expire_time")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    ticket: str
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, ticket: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StreamPullResponse(_message.Message):
    __slots__ = ("changes", "checkpoint_token", "caught_up", "reset")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CAUGHT_UP_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    checkpoint_token: str
    caught_up: bool
    reset: bool
    def __init__(self, changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., checkpoint_token: _Optional[str] = ..., caught_up: _Optional[bool] = ..., reset: _Optional[bool] = ...) -> None: ...
