from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Method(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METHOD_UNSPECIFIED: _ClassVar[Method]
    METHOD_PUSH: _ClassVar[Method]
    METHOD_PULL: _ClassVar[Method]
    METHOD_GET: _ClassVar[Method]
    METHOD_CREATE_TICKET: _ClassVar[Method]
METHOD_UNSPECIFIED: Method
METHOD_PUSH: Method
METHOD_PULL: Method
METHOD_GET: Method
METHOD_CREATE_TICKET: Method

class CheckCallerRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CheckCallerResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Credentials(_message.Message):
    __slots__ = ("api_key", "authorization", "device_id")
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZATION_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    api_key: str
    authorization: str
    device_id: str
    def __init__(self, api_key: _Optional[str] = ..., authorization: _Optional[str] = ..., device_id: _Optional[str] = ...) -> None: ...

class Call(_message.Message):
    __slots__ = ("id", "method", "request", "credentials", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    method: Method
    request: bytes
    credentials: bytes
    request_id: str
    def __init__(self, id: _Optional[int] = ..., method: _Optional[_Union[Method, str]] = ..., request: _Optional[bytes] = ..., credentials: _Optional[bytes] = ..., request_id: _Optional[str] = ...) -> None: ...

class RelayRequest(_message.Message):
    __slots__ = ("calls", "cancelled")
    CALLS_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[Call]
    cancelled: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, calls: _Optional[_Iterable[_Union[Call, _Mapping]]] = ..., cancelled: _Optional[_Iterable[int]] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("id", "response", "status")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    id: int
    response: bytes
    status: bytes
    def __init__(self, id: _Optional[int] = ..., response: _Optional[bytes] = ..., status: _Optional[bytes] = ...) -> None: ...

class RelayResponse(_message.Message):
    __slots__ = ("answers", "draining", "max_request_bytes")
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    MAX_REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[Answer]
    draining: bool
    max_request_bytes: int
    def __init__(self, answers: _Optional[_Iterable[_Union[Answer, _Mapping]]] = ..., draining: _Optional[bool] = ..., max_request_bytes: _Optional[int] = ...) -> None: ...
