"""Whether a request is in form; a malformed one is refused whole, before anything is read or written (P1)."""

import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import jiter
from google.protobuf.timestamp_pb2 import Timestamp

from syncline import words
from syncline.v1 import sync_pb2
from syncline_server.identity.authenticator import Principal
from syncline_server.sync.changes import Action, Change, Push, entity_key
from syncline_server.sync.errors import ChangeInvalid, RequestInvalid
from syncline_server.sync.history import Position
from syncline_server.sync.pull import PageSize, Reading

_ENTITY_TYPE_FORM: Final = f"must be {words.ENTITY_TYPE_FORM}"
_MAX_DEPTH: Final = 32
_MAX_REQUIRED: Final = 16
_MAX_RETAINED: Final = 16
_MAX_PROBLEM: Final = 200
_MAX_AHEAD_SECONDS: Final = 24 * 3600
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59Z
_NANOS: Final = 1_000_000_000
_DEFAULT_PAGE_SIZE: Final = 100
_ACTIONS: Final = {int(action): action for action in Action}
_DIGITS_OF_A_DOUBLE: Final = 308
_EXPONENT: Final = re.compile(rb"[0-9][eE]")


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What a request may not exceed."""

    max_changes: int = words.MAX_PUSH_CHANGES
    max_data_bytes: int = 256 * 1024
    max_page_bytes: int = 2 * 1024 * 1024


class Validator:
    """Turns requests into the values of the rules; raises RequestInvalid and ChangeInvalid."""

    def __init__(self, limits: RequestLimits) -> None:
        """Hold requests to these limits."""
        self._limits = limits

    def push(self, request: sync_pb2.PushRequest, principal: Principal, shown: Position | None) -> Push:
        """Return the push that a request stands for; `shown` is the position of its token."""
        if len(request.changes) > self._limits.max_changes:
            raise RequestInvalid("changes", f"must be at most {self._limits.max_changes}, got {len(request.changes)}")
        expected_head_ms = request.expected_head_ms if request.HasField("expected_head_ms") else None
        if expected_head_ms is not None and expected_head_ms < 0:
            raise RequestInvalid("expected_head_ms", "must be 0 or more")
        user = principal.user
        project_id, latest = principal.project_id, time.time() + _MAX_AHEAD_SECONDS
        changes = [
            self._change(index, change, project_id, user, latest) for index, change in enumerate(request.changes)
        ]
        return Push(
            project_id,
            user,
            principal.session,
            principal.device_known,
            tuple(changes),
            shown,
            expected_head_ms,
            request.require_existing,
        )

    def pull(self, request: sync_pb2.PullRequest, principal: Principal) -> tuple[Reading, PageSize]:
        """Return what a request asks to read, and how much of it."""
        if not 0 <= request.page_size <= words.MAX_PAGE_SIZE:
            raise RequestInvalid("page_size", f"must be 0 to {words.MAX_PAGE_SIZE}")
        if request.skip < 0:
            raise RequestInvalid("skip", "must be 0 or more")
        reading = self.reading(request, principal, omit_forbidden=request.omit_forbidden_types)
        if request.head_only or (request.entity_types and not reading.entity_types):
            # Shows nothing for any type: not even what it leaves out has been read up to the token.
            return replace(reading, session_key=""), PageSize(limit=0, max_bytes=0)
        size = PageSize(
            limit=request.page_size or _DEFAULT_PAGE_SIZE,
            max_bytes=self._limits.max_page_bytes,
            skip=request.skip,
            include_total=request.include_total,
        )
        return reading, size

    def reading(
        self,
        request: sync_pb2.PullRequest | sync_pb2.StreamPullRequest,
        principal: Principal,
        *,
        omit_forbidden: bool = False,
    ) -> Reading:
        """Return whose log a request reads, and from where.

        Types that the session's scopes do not cover are left out, or refused with TypeForbidden.
        """
        _check_entity_types(request.entity_types, principal)
        if not omit_forbidden:
            principal.check_types(request.entity_types)
        after = request.after_revision if request.HasField("after_revision") else None
        if after is not None and not 0 <= after <= words.MAX_REVISION:
            raise RequestInvalid("after_revision", f"must be 0 to {words.MAX_REVISION}")
        return Reading(
            project_id=principal.project_id,
            user_id=principal.user_id,
            session_key=principal.session_key,
            entity_types=tuple(filter(principal.scopes.cover, dict.fromkeys(request.entity_types))),
            checkpoint_token=request.checkpoint_token,
            after_revision=after,
            reset_when_expired=request.reset_when_expired,
        )

    def _change(self, index: int, change: sync_pb2.Change, project_id: int, user_id: str, latest: float) -> Change:
        """Return one change; its time may be `latest` (s) at most. What most changes do not have is not looked into."""
        entity_type = change.entity_type
        if not words.match_entity_type(entity_type):
            raise ChangeInvalid(index, "entity_type", _ENTITY_TYPE_FORM)
        action = _ACTIONS.get(change.action)
        if action is None:
            raise ChangeInvalid(index, "action", "must be create, update or delete")
        entity_id = change.entity_id
        if entity_id or action is not Action.CREATE:
            _check_entity_id(index, "entity_id", entity_id)
        else:
            entity_id = _new_id()
        if change.only_if_absent and action is not Action.CREATE:
            raise ChangeInvalid(index, "only_if_absent", "goes with a create alone")
        return Change(
            entity_key(project_id, user_id, entity_type, entity_id),
            entity_type,
            entity_id,
            action,
            self._data(index, change.data),
            _timestamp_us(index, change.client_timestamp, latest) if change.HasField("client_timestamp") else None,
            _base_revision(index, change.base_revision) if change.HasField("base_revision") else None,
            _required_keys(index, change, project_id, user_id) if change.required_entities else (),
            change.only_if_absent,
            _retained_members(index, change, action) if change.retained_members else (),
        )

    def _data(self, index: int, data: bytes) -> str:
        if not data:
            return "{}"
        if len(data) > self._limits.max_data_bytes:
            raise ChangeInvalid(index, "data", f"must be at most {self._limits.max_data_bytes} bytes, got {len(data)}")
        problem = json_problem(data)
        if problem is not None:
            raise ChangeInvalid(index, "data", problem)
        return data.decode()


def json_problem(data: bytes) -> str | None:
    """Say what keeps `data` from being a strict JSON object, nested at most 32 deep; None: nothing.

    Refused: duplicate keys, NaN and Infinity, numbers beyond a double's range, lone surrogates, invalid UTF-8.
    """
    try:
        value = jiter.from_json(data, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        return f"must be a JSON object: {_shortened(str(error))}"
    if not isinstance(value, dict):
        return "must be a JSON object"
    # Both are rare, and cheap to rule out from the text.
    if data.count(b"{") + data.count(b"[") > _MAX_DEPTH and _depth(value) > _MAX_DEPTH:
        return f"must be nested at most {_MAX_DEPTH} deep"
    may_overflow = len(data) > _DIGITS_OF_A_DOUBLE or _EXPONENT.search(data)
    if may_overflow and not all(math.isfinite(number) for number in _floats(value)):
        return "must not contain numbers beyond the range of a double"
    return None


def _shortened(text: str) -> str:
    """Cut the middle, which may be a key of any size, so that the text fits into an error."""
    return text if len(text) <= _MAX_PROBLEM else f"{text[: _MAX_PROBLEM // 2]}…{text[-_MAX_PROBLEM // 2 :]}"


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [item for container in level for item in _items(container) if isinstance(item, dict | list)]
    return depth


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _floats(value: Any) -> Iterator[float]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, float):
            yield value
        waiting.extend(_items(value))


def _new_id() -> str:
    """Return a random UUID (RFC 9562, version 4), at a third of what the module's own costs."""
    drawn = os.urandom(16).hex()
    variant = "89ab"[int(drawn[16], 16) & 3]
    return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-{variant}{drawn[17:20]}-{drawn[20:]}"


def _check_entity_id(index: int, field: str, entity_id: str) -> None:
    problem = words.id_problem(entity_id)
    if problem is not None:
        raise ChangeInvalid(index, field, problem)


def _required_keys(index: int, change: sync_pb2.Change, project_id: int, user_id: str) -> tuple[str, ...]:
    if len(change.required_entities) > _MAX_REQUIRED:
        raise ChangeInvalid(index, "required_entities", f"must be at most {_MAX_REQUIRED}")
    for required in change.required_entities:
        if not words.match_entity_type(required.entity_type):
            raise ChangeInvalid(index, "required_entities.entity_type", _ENTITY_TYPE_FORM)
        _check_entity_id(index, "required_entities.entity_id", required.entity_id)
    return tuple(
        entity_key(project_id, user_id, required.entity_type, required.entity_id)
        for required in change.required_entities
    )


def _retained_members(index: int, change: sync_pb2.Change, action: Action) -> tuple[str, ...]:
    if action is not Action.DELETE:
        raise ChangeInvalid(index, "retained_members", "goes with a delete alone")
    if len(change.retained_members) > _MAX_RETAINED:
        raise ChangeInvalid(index, "retained_members", f"must be at most {_MAX_RETAINED}")
    return tuple(change.retained_members)


def _base_revision(index: int, revision: int) -> int:
    if revision < 0:
        raise ChangeInvalid(index, "base_revision", "must be 0 or more")
    return revision


def _timestamp_us(index: int, timestamp: Timestamp, latest: float) -> int:
    seconds, nanos = timestamp.seconds, timestamp.nanos
    if not 0 <= seconds <= _LAST_SECOND or not 0 <= nanos < _NANOS:
        raise ChangeInvalid(index, "client_timestamp", "must be in the years 1970 to 9999")
    if seconds > latest:
        raise ChangeInvalid(index, "client_timestamp", "must not be more than 24 h in the future")
    return seconds * 1_000_000 + nanos // 1000


def _check_entity_types(entity_types: Sequence[str], principal: Principal) -> None:
    if len(entity_types) > words.MAX_ENTITY_TYPES:
        raise RequestInvalid("entity_types", f"must be at most {words.MAX_ENTITY_TYPES}")
    for index, entity_type in enumerate(entity_types):
        if not words.match_entity_type(entity_type):
            raise RequestInvalid(f"entity_types[{index}]", _ENTITY_TYPE_FORM)
    if not entity_types and principal.scopes.limited:
        raise RequestInvalid("entity_types", "a session with scopes has to name the types it reads")
