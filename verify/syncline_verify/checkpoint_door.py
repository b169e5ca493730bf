"""How a load speaks checkpoint sync, with a server key that names its users."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Raw

from syncline_client import NewChange
from syncline_verify.doors import Slice, entry_for
from syncline_verify.history import UNPLACED, Entity, Entry, Reader
from syncline_verify.http_calls import HttpCalls

_PATH: Final = "/client/sync"


class _Pulled(msgspec.Struct):
    entity_type: str
    entity_id: str
    action: str
    data: Raw
    revision: int


class _Page(msgspec.Struct):
    changes: list[_Pulled]
    checkpoint_token: str
    has_more: bool


class _Conflict(msgspec.Struct):
    entity_type: str
    entity_id: str


class _Push(msgspec.Struct):
    conflicts: list[_Conflict]


class _PageAnswer(msgspec.Struct):
    data: _Page


class _PushAnswer(msgspec.Struct):
    data: _Push


class CheckpointDoor:
    """Speaks checkpoint sync, whose pushes say what was applied, not where that stands; it has one size of pages."""

    def __init__(self, calls: HttpCalls) -> None:
        """Call by these."""
        self._calls = calls

    async def reach(self, user: str) -> None:
        """Ask for a page; raises Unreachable with the reason when there is none."""
        await self._calls.reach("GET", _PATH, params={"entity_type": "todo"}, headers=_naming(user))

    async def push(self, user: str, changes: Sequence[NewChange], push_id: str) -> list[Entry | None]:
        """Push; see WriteDoor. Versions are UNPLACED."""
        body = msgspec.json.encode({"push_id": push_id, "changes": [_spelled(change) for change in changes]})
        response = await self._calls.call("POST", _PATH, content=body, headers=_naming(user))
        answer = msgspec.json.decode(response.content, type=_PushAnswer).data
        lost = {(one.entity_type, one.entity_id) for one in answer.conflicts}
        return [
            None if (change.entity_type, change.entity_id) in lost else entry_for(user, change, UNPLACED, change.data)
            for change in changes
        ]

    async def page(self, reader: Reader, token: str, size: int) -> Slice:
        """Read a page of the reader's one type; see Door."""
        assert reader.user is not None
        (entity_type,) = reader.types
        query = {"entity_type": entity_type} | ({"checkpoint_token": token} if token else {})
        response = await self._calls.call("GET", _PATH, params=query, headers=_naming(reader.user))
        page = msgspec.json.decode(response.content, type=_PageAnswer).data
        entries = [
            Entry(
                Entity(reader.user, one.entity_type, one.entity_id),
                one.revision,
                None if one.action == "delete" else bytes(one.data),
            )
            for one in page.changes
        ]
        return Slice(entries, page.checkpoint_token, not page.has_more)


def _naming(user: str) -> dict[str, str]:
    return {"X-User-Id": user}


def _spelled(change: NewChange) -> dict[str, object]:
    return {
        "entity_type": change.entity_type,
        "entity_id": change.entity_id,
        "action": change.action,
        "data": Raw(change.data),
        "client_timestamp": (change.client_timestamp or datetime.now(UTC)).isoformat(),
    }
