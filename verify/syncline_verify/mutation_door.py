"""How a load speaks mutation sync, with a server key that names its users."""

import json
from typing import Any, Final

import msgspec
from msgspec import Raw

from syncline_client import Action, NewChange
from syncline_verify.doors import Slice
from syncline_verify.history import Entity, Entry, Reader
from syncline_verify.http_calls import HttpCalls

_PATH: Final = "/v1/sync"
_OUT_OF_SYNC: Final = 409


class _Mutation(msgspec.Struct, rename="camel"):
    type: str
    resource: str
    resource_id: str
    data: Raw
    timestamp: int


class _Page(msgspec.Struct, rename="camel"):
    last_mutation_at: int
    mutations: list[_Mutation]
    has_more: bool
    next_cursor: str = ""


class _Answer(msgspec.Struct):
    data: _Page


class _Head(msgspec.Struct, rename="camel"):
    last_mutation_at: int


class _HeadAnswer(msgspec.Struct):
    data: _Head


class MutationDoor:
    """Speaks mutation sync, one mutation a request: revisions are milliseconds, and each is of one mutation of a user.

    A token is `<mutationsSince> <cursor>`: a reader pages by cursor to the end, and goes on from the head it was told.
    """

    def __init__(self, calls: HttpCalls) -> None:
        """Call by these; the server key goes into a header of this dialect's own."""
        self._calls = calls

    async def head(self, user: str) -> int:
        """Return the head; see BidDoor. -1: the user has no mutations."""
        query = {"mutationsSince": "-1", "metadataOnly": "true"}
        response = await self._calls.call("GET", _PATH, params=query, headers=_naming(user))
        return msgspec.json.decode(response.content, type=_HeadAnswer).data.last_mutation_at

    async def bid(self, user: str, head: int, change: NewChange) -> Entry | None:
        """Post against a head; see BidDoor. The bridge makes the ids of what is created."""
        mutation: dict[str, Any] = {"type": change.action.upper(), "resource": change.entity_type}
        if change.action is not Action.CREATE:
            mutation["resourceId"] = change.entity_id
        if change.action is not Action.DELETE:
            mutation["data"] = json.loads(change.data)
        response = await self._calls.call(
            "POST",
            _PATH,
            params={"lastMutationAt": str(head)},
            content=json.dumps({"mutations": [mutation]}),
            headers=_naming(user),
            accept=frozenset({_OUT_OF_SYNC}),
        )
        if response.status_code == _OUT_OF_SYNC:
            return None
        (answer,) = msgspec.json.decode(response.content, type=_Answer).data.mutations
        return _entry(user, answer)

    async def page(self, reader: Reader, token: str, size: int) -> Slice:
        """Read a page; see Door."""
        assert reader.user is not None
        since, _, cursor = (token or "-1 ").partition(" ")
        query = {"mutationsSince": since, "cursor": cursor, "limit": str(size)}
        response = await self._calls.call("GET", _PATH, params=query, headers=_naming(reader.user))
        page = msgspec.json.decode(response.content, type=_Answer).data
        following = f"{since} {page.next_cursor}" if page.has_more else f"{page.last_mutation_at} "
        return Slice([_entry(reader.user, one) for one in page.mutations], following, not page.has_more)


def _naming(user: str) -> dict[str, str]:
    return {"X-User-Id": user}


def _entry(user: str, mutation: _Mutation) -> Entry:
    entity = Entity(user, mutation.resource, mutation.resource_id)
    return Entry(entity, mutation.timestamp, None if mutation.type == "DELETE" else bytes(mutation.data))
