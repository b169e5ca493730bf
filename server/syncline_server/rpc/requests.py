"""What a request asks of the rules: its token, types and limits, decoded and held against who is calling.

The one place that does, for every call; a malformed request is refused whole, before anything is read or written (P1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from syncline import words
from syncline.v1 import sync_pb2
from syncline_server.identity.ids import check_id
from syncline_server.identity.principal import Principal
from syncline_server.rpc.changes import CHANGE_COUNTS, ENTITY_TYPE_PROBLEM, changes_of
from syncline_server.rpc.counts import Count, CountedFields
from syncline_server.rpc.notes import note_keys, notes_of
from syncline_server.sync.changes import Push
from syncline_server.sync.checkpoint import CheckpointCodec, ScopeTag
from syncline_server.sync.circle import FROM_START, SHOWS_NONE, Checkpoint, kinds_of
from syncline_server.sync.errors import RequestInvalid
from syncline_server.sync.keys import entity_key, session_key
from syncline_server.sync.lookup import EntitiesQuery
from syncline_server.sync.reading import PageSize, Reading

_MAX_PUSHES: Final = 512
"""The most pushes in a message of a stream."""
_DEFAULT_PAGE_SIZE: Final = 100
_NOTHING: Final = PageSize(limit=0, max_bytes=0)


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What a request may not exceed."""

    max_changes: int = words.MAX_PUSH_CHANGES
    max_data_bytes: int = 256 * 1024
    max_page_bytes: int = 2 * 1024 * 1024


class Requests:
    """Turns requests into values of the rules, and checkpoints back into tokens of the caller's scope.

    Raises RequestInvalid, ChangeInvalid, CheckpointInvalid and TypeForbidden.
    """

    def __init__(self, checkpoints: CheckpointCodec, limits: RequestLimits) -> None:
        """Read and write tokens with `checkpoints`; hold requests to `limits`."""
        self._checkpoints = checkpoints
        self._limits = limits

    @property
    def counted(self) -> Mapping[str, CountedFields]:
        """The repeated fields of requests, and how many elements each may have; by the names of messages."""
        notes = Count(words.MAX_NOTES)
        push = {"changes": Count(self._limits.max_changes, CHANGE_COUNTS), "notes": notes}
        read = {"entities": Count(words.MAX_REFERENCES), "note_names": notes}
        types = Count(words.MAX_ENTITY_TYPES)
        return {
            "PushRequest": CountedFields(sync_pb2.PushRequest.DESCRIPTOR, push),
            "PushStreamRequest": CountedFields(
                sync_pb2.PushStreamRequest.DESCRIPTOR, {"pushes": Count(_MAX_PUSHES, push)}
            ),
            "PullRequest": CountedFields(sync_pb2.PullRequest.DESCRIPTOR, {"entity_types": types}),
            "StreamPullRequest": CountedFields(sync_pb2.StreamPullRequest.DESCRIPTOR, {"entity_types": types}),
            "GetRequest": CountedFields(sync_pb2.GetRequest.DESCRIPTOR, read),
        }

    def push(self, request: sync_pb2.PushRequest, principal: Principal) -> Push:
        """Return the push that a request stands for."""
        shown = self._shown(request, principal)
        if len(request.changes) > self._limits.max_changes:
            limit, count = self._limits.max_changes, len(request.changes)
            raise RequestInvalid("changes", f"must be at most {limit}, got {count}", limit=limit)
        expected_head_ms = request.expected_head_ms if request.HasField("expected_head_ms") else None
        if expected_head_ms is not None and expected_head_ms < 0:
            raise RequestInvalid("expected_head_ms", "must be 0 or more")
        push_id = request.push_id
        if problem := words.push_id_problem(push_id):
            raise RequestInvalid("push_id", problem)
        project_id, user = principal.project_id, principal.user
        changes = changes_of(
            request.changes, project_id, user, push_id=push_id, max_data_bytes=self._limits.max_data_bytes
        )
        notes = notes_of(request, project_id, user)
        if principal.scopes.limited:
            principal.check_types(_types_of(request))
        return Push(
            project_id,
            user,
            principal.session,
            principal.device_known,
            changes,
            shown,
            expected_head_ms,
            request.require_existing,
            push_id,
            notes,
        )

    def pull(self, request: sync_pb2.PullRequest, principal: Principal) -> tuple[Reading, PageSize]:
        """Return what a request asks to read, and how much of it."""
        if not 0 <= request.page_size <= words.MAX_PAGE_SIZE:
            raise RequestInvalid("page_size", f"must be 0 to {words.MAX_PAGE_SIZE}", limit=words.MAX_PAGE_SIZE)
        if request.skip < 0:
            raise RequestInvalid("skip", "must be 0 or more")
        if request.page_number < 0 or (request.page_number and request.skip):
            raise RequestInvalid("page_number", "must be 1 or more, and without skip")
        reading = self._reading(request, principal, omit_forbidden=request.omit_forbidden_types)
        if request.head_only or (request.entity_types and not reading.entity_types):
            # Shows nothing for any type: not even what it leaves out has been read up to the token.
            return replace(reading, session_key=""), _NOTHING
        size = PageSize(
            limit=request.page_size or _DEFAULT_PAGE_SIZE,
            max_bytes=self._limits.max_page_bytes,
            skip=request.skip,
            include_total=request.include_total,
            number=request.page_number,
        )
        return reading, size

    def get(self, request: sync_pb2.GetRequest, principal: Principal) -> EntitiesQuery:
        """Return what a request asks to look up, each entity and note once."""
        if len(request.entities) > words.MAX_REFERENCES:
            limit, count = words.MAX_REFERENCES, len(request.entities)
            raise RequestInvalid("entities", f"must be at most {limit}, got {count}", limit=limit)
        for index, entity in enumerate(request.entities):
            if not words.match_entity_type(entity.entity_type):
                raise RequestInvalid(f"entities[{index}].entity_type", ENTITY_TYPE_PROBLEM)
            check_id(f"entities[{index}].entity_id", entity.entity_id)
        principal.check_types({entity.entity_type for entity in request.entities})
        keys = dict.fromkeys(_keys_of(request, principal))
        notes = self.note_names(request, principal)
        return EntitiesQuery(
            principal.project_id, principal.user, tuple(keys), self._limits.max_page_bytes, tuple(notes)
        )

    def note_names(self, request: sync_pb2.GetRequest, principal: Principal) -> dict[str, str]:
        """Return the names of the notes that a request asks for, by their keys."""
        return note_keys(request.note_names, principal.project_id, principal.user)

    def unread(self, request: sync_pb2.GetRequest, principal: Principal, looked_at: int) -> int:
        """Return how many references at the end of a request come after those that have been looked at."""
        keys = _keys_of(request, principal)
        first_unread = next(islice(dict.fromkeys(keys), looked_at, None), None)
        return len(keys) - keys.index(first_unread) if first_unread else 0

    def stream(self, request: sync_pb2.StreamPullRequest, principal: Principal) -> Reading:
        """Return what a request asks to read."""
        return self._reading(request, principal, omit_forbidden=False)

    def ticket(self, request: sync_pb2.CreateTicketRequest, principal: Principal) -> Sequence[str]:
        """Return the types that a ticket is asked for; none: all that the session may read."""
        if request.entity_types:
            _check_entity_types(request.entity_types, principal)
            principal.check_types(request.entity_types)
        return request.entity_types

    def token(self, principal: Principal, checkpoint: Checkpoint) -> str:
        """Return the token of a checkpoint, for the scope of the principal: its user, or the whole project."""
        return self._checkpoints.encode(self._scope_tag(principal), checkpoint)

    def _shown(self, request: sync_pb2.PushRequest, principal: Principal) -> Checkpoint | None:
        """Return what a push shows to have been read: by an empty token, nothing; None: it does not say."""
        if request.checkpoint_token:
            return self._checkpoint(request.checkpoint_token, principal)
        return FROM_START if request.HasField("checkpoint_token") else None

    def _reading(
        self,
        request: sync_pb2.PullRequest | sync_pb2.StreamPullRequest,
        principal: Principal,
        *,
        omit_forbidden: bool,
    ) -> Reading:
        """Return whose log a request reads, and from where.

        Types that the session's scopes do not cover are left out, or refused with TypeForbidden.
        """
        _check_entity_types(request.entity_types, principal)
        if not omit_forbidden:
            principal.check_types(request.entity_types)
        checkpoint, is_plain = self._start(request, principal)
        entity_types = tuple(filter(principal.scopes.cover, dict.fromkeys(request.entity_types)))
        return Reading(
            project_id=principal.project_id,
            user_id=principal.user_id,
            session_key=_session_key(principal),
            entity_types=entity_types,
            checkpoint=checkpoint,
            is_plain=is_plain,
            reset_when_expired=request.reset_when_expired,
            device_known=principal.device_known,
            kinds=kinds_of(entity_types) if entity_types or not request.entity_types else SHOWS_NONE,
        )

    def _start(
        self, request: sync_pb2.PullRequest | sync_pb2.StreamPullRequest, principal: Principal
    ) -> tuple[Checkpoint, bool]:
        """Return where a reading starts, and whether that is a plain revision."""
        if request.checkpoint_token:
            return self._checkpoint(request.checkpoint_token, principal), False
        if not request.HasField("after_revision"):
            return FROM_START, False
        if not 0 <= request.after_revision <= words.MAX_REVISION:
            raise RequestInvalid("after_revision", f"must be 0 to {words.MAX_REVISION}")
        return FROM_START._replace(revision=request.after_revision), True

    def _checkpoint(self, token: str, principal: Principal) -> Checkpoint:
        return self._checkpoints.decode(self._scope_tag(principal), token)

    def _scope_tag(self, principal: Principal) -> ScopeTag:
        return self._checkpoints.scope_tag(principal.project_id, principal.user_id)


def _session_key(principal: Principal) -> str:
    """Return what the positions of the session are kept under (P9); empty: nothing is kept."""
    return session_key(principal.project_id, principal.user, principal.session) if principal.user_id else ""


def _keys_of(request: sync_pb2.GetRequest, principal: Principal) -> list[str]:
    project_id, user = principal.project_id, principal.user
    return [entity_key(project_id, user, entity.entity_type, entity.entity_id) for entity in request.entities]


def _types_of(request: sync_pb2.PushRequest) -> set[str]:
    """Return the types that a push changes or asks about."""
    types = {change.entity_type for change in request.changes}
    for change in request.changes:
        if change.required_entities:
            types.update([entity.entity_type for entity in change.required_entities])
    return types


def _check_entity_types(entity_types: Sequence[str], principal: Principal) -> None:
    if len(entity_types) > words.MAX_ENTITY_TYPES:
        raise RequestInvalid("entity_types", f"must be at most {words.MAX_ENTITY_TYPES}", limit=words.MAX_ENTITY_TYPES)
    for index, entity_type in enumerate(entity_types):
        if not words.match_entity_type(entity_type):
            raise RequestInvalid(f"entity_types[{index}]", ENTITY_TYPE_PROBLEM)
    if not entity_types and principal.scopes.limited:
        raise RequestInvalid("entity_types", "a session with scopes has to name the types it reads")
