"""How this dialect's messages map to the contract's, and back."""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import msgspec
from msgspec import UNSET, Raw

from syncline.v1 import sync_pb2
from syncline_bridge.dialects.mutation_sync.models import Mutation, MutationPage, Type
from syncline_bridge.dialects.mutation_sync.mutations import CheckedMutation
from syncline_bridge.dialects.mutation_sync.parameters import Cursor, PullQuery
from syncline_bridge.dialects.mutation_sync.resources import (
    RESOURCES,
    Resource,
    key_members,
    named_ids,
    part_names,
    with_parts,
)
from syncline_bridge.failure import Failure

_MICROSECONDS_PER_MS = 1000
_MAX_PAGE_NUMBER = 2**31 - 1
_EMPTY_OBJECT = b"{}"
_ACTIONS: Mapping[Type, sync_pb2.Action] = MappingProxyType(
    {
        "CREATE": sync_pb2.ACTION_CREATE,
        "UPDATE": sync_pb2.ACTION_UPDATE,
        "DELETE": sync_pb2.ACTION_DELETE,
    }
)
_FIELDS = MappingProxyType({"entity_type": "resource", "entity_id": "resourceId", "action": "type"})
_PLACE = re.compile(r"changes\[[0-9]+\]")


@dataclass(frozen=True, slots=True)
class MutationPush:
    """Mutations and the push that they come to, which may hold changes that no mutation asked for."""

    mutations: Sequence[CheckedMutation]
    positions: Sequence[int]
    """Where each mutation's own change stands in the push."""
    request: sync_pb2.PushRequest


def push_of(mutations: Sequence[CheckedMutation], expected_head_ms: int, push_id: str) -> MutationPush:
    """Translate what a POST asks for."""
    changes: list[sync_pb2.Change] = []
    positions: list[int] = []
    for mutation in mutations:
        changes.extend(_implied(mutation))
        positions.append(len(changes))
        changes.append(_change(mutation))
    request = sync_pb2.PushRequest(
        changes=changes, expected_head_ms=expected_head_ms, require_existing=True, push_id=push_id
    )
    return MutationPush(mutations, positions, request)


def pushed(push: MutationPush, response: sync_pb2.PushResponse, limit: int) -> MutationPage:
    """Translate what became of a push: one answer for each mutation, none for what was implied."""
    answers = [
        _answer(mutation, push.request.changes[position], response.results[position].change)
        for mutation, position in zip(push.mutations, push.positions, strict=True)
    ]
    return MutationPage(client_head(response.head_ms), answers, 1, limit, len(answers), False)


def located(failure: Failure, push: MutationPush) -> Failure:
    """Name the mutation where the server named a change."""
    position = failure.details.get("index")
    if not isinstance(position, int):
        return failure
    # What a mutation implies comes before its own change.
    index = bisect_left(push.positions, position)
    field = failure.details.get("field")
    named = {"field": _FIELDS.get(field, field)} if isinstance(field, str) else {}
    details = {**failure.details, **named, "index": index}
    place = f"mutation[{index}]"
    if failure.reason == "ENTITY_NOT_FOUND":
        return replace(failure, message=f"Resource not found at {place}", details=details)
    if failure.reason == "ENTITY_DIFFERS":
        message = f"The resourceId is that of another resource, made of other ids, at {place}"
        return replace(failure, message=message, details=details)
    return replace(failure, message=_PLACE.sub(place, failure.message), details=details)


def pull_request(query: PullQuery) -> sync_pb2.PullRequest:
    """Translate what a GET asks for."""
    after_revision = _revision_threshold(query.since_ms)
    return sync_pb2.PullRequest(
        # All of them where none is left, since a session with scopes has to name some.
        entity_types=query.resources or RESOURCES,
        checkpoint_token=query.cursor.token if query.cursor else None,
        after_revision=None if query.cursor else after_revision,
        page_size=query.limit,
        page_number=None if query.by_cursor else min(query.page, _MAX_PAGE_NUMBER),
        # Counted once: a cursor carries it on.
        include_total=query.cursor is None,
        reset_when_expired=True,
        omit_forbidden_types=True,
        head_only=query.metadata_only or not query.resources,
    )


def pulled(query: PullQuery, response: sync_pb2.PullResponse) -> MutationPage:
    """Translate what a GET got."""
    at = query.cursor or Cursor(query.since_ms, 1 if query.by_cursor else query.page, 0, response.total_size, "")
    if response.reset:
        at = Cursor(0, at.page if query.cursor is None else 1, 0, response.total_size, "")
    mutations = [_pulled(change, _revision_threshold(at.since_ms)) for change in response.changes]
    seen = _seen(query, at) + len(mutations)
    total = _total(query, at, seen, has_more=response.has_more)
    following = Cursor(at.since_ms, at.page + 1, seen, total, response.checkpoint_token)
    return MutationPage(
        client_head(response.head_ms),
        mutations,
        at.page,
        query.limit,
        total,
        response.has_more,
        following.text() if response.has_more else UNSET,
    )


def client_head(head_ms: int) -> int:
    """Return the head as clients of this dialect know it: -1 without changes."""
    return head_ms or -1


def _implied(mutation: CheckedMutation) -> list[sync_pb2.Change]:
    """Return what a CREATE brings with it: the parts it names by their natural key."""
    if mutation.type != "CREATE":
        return []
    return [
        sync_pb2.Change(
            entity_type=named.part.of,
            entity_id=named.id,
            action=sync_pb2.ACTION_CREATE,
            data=msgspec.json.encode(key_members(RESOURCES[named.part.of], mutation.members)),
            only_if_absent=True,
        )
        for named in mutation.parts or ()
        if named.by_natural_key
    ]


def _change(mutation: CheckedMutation) -> sync_pb2.Change:
    change = sync_pb2.Change(
        entity_type=mutation.resource.name,
        entity_id=mutation.entity_id,
        action=_ACTIONS[mutation.type],
        data=_stored_data(mutation),
    )
    if mutation.type == "CREATE":
        change.required_entities.extend(
            sync_pb2.EntityReference(entity_type=named.part.of, entity_id=named.id)
            for named in mutation.parts or ()
            if named.part.must_exist
        )
    if mutation.type == "DELETE":
        change.retained_members.extend(part_names(mutation.resource))
    # Ids may contain what joins them: those of two may come to the same one.
    change.identifying_members.extend(part.names[0] for part in mutation.resource.parts)
    return change


def _stored_data(mutation: CheckedMutation) -> bytes:
    """Return what is stored: the data to the byte, but for composite keys, whose parts are in it as far as known."""
    ids = named_ids(mutation.resource, mutation.members)
    if mutation.type == "DELETE":
        return msgspec.json.encode(ids) if ids else b""
    return msgspec.json.encode({**mutation.members, **ids}) if ids else mutation.data


def _answer(mutation: CheckedMutation, sent: sync_pb2.Change, stored: sync_pb2.Change) -> Mutation:
    # The server leaves out what it stored just as it was sent.
    data = sent.data if mutation.type == "CREATE" else stored.data
    return Mutation(
        mutation.type,
        mutation.resource.name,
        stored.entity_id,
        _shown(mutation.resource, stored.entity_id, data, deleted=mutation.type == "DELETE"),
        stored.revision // _MICROSECONDS_PER_MS,
    )


def _pulled(change: sync_pb2.Change, threshold: int) -> Mutation:
    deleted = change.action == sync_pb2.ACTION_DELETE
    # The server's own word for it is relative to the position of this page, not to mutationsSince.
    live: Type = "CREATE" if change.created_revision > threshold else "UPDATE"
    return Mutation(
        "DELETE" if deleted else live,
        change.entity_type,
        change.entity_id,
        _shown(RESOURCES[change.entity_type], change.entity_id, change.data, deleted=deleted),
        change.revision // _MICROSECONDS_PER_MS,
    )


def _shown(resource: Resource, resource_id: str, data: bytes, *, deleted: bool) -> Raw:
    """Return data as clients see it: to the byte, nothing of what is deleted, and the ids of composite keys always."""
    if not resource.parts:
        return Raw(_EMPTY_OBJECT if deleted else data or _EMPTY_OBJECT)
    members = msgspec.json.decode(data or _EMPTY_OBJECT, type=dict[str, Raw])
    names = part_names(resource)
    kept = {name: value for name, value in members.items() if name in names} if deleted else members
    return Raw(msgspec.json.encode(with_parts(resource, resource_id, kept)))


def _revision_threshold(since_ms: int) -> int:
    """Return the last revision that is not strictly later than a head in ms (design L2)."""
    return since_ms * _MICROSECONDS_PER_MS + _MICROSECONDS_PER_MS - 1 if since_ms else 0


def _total(query: PullQuery, at: Cursor, seen: int, *, has_more: bool) -> int:
    """Return what was counted for the first page of a cursor; what moves meanwhile comes again, and counts again."""
    if not query.by_cursor:
        return at.total
    return max(at.total, seen + 1) if has_more else seen


def _seen(query: PullQuery, at: Cursor) -> int:
    return at.seen if query.by_cursor else (query.page - 1) * query.limit
