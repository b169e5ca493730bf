"""How a load speaks as RxDB's replication handlers do, with a server key that names its users."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from syncline_client import NewChange
from syncline_verify.doors import Slice, entry_for
from syncline_verify.history import UNPLACED, Entity, Entry, Reader
from syncline_verify.http_calls import HttpCalls

_START: Final = "lwt=0&id="


class _Checkpoint(msgspec.Struct):
    id: str
    lwt: int


class _Page(msgspec.Struct):
    documents: list[dict[str, Raw]]
    checkpoint: _Checkpoint


class _Lost(msgspec.Struct):
    id: str


class RxdbDoor:
    """Speaks RxDB, which tells the revision of the last document of a page alone: so its pages have one."""

    def __init__(self, calls: HttpCalls) -> None:
        """Call by these."""
        self._calls = calls

    async def push(self, user: str, changes: Sequence[NewChange], push_id: str) -> list[Entry | None]:
        """Push new entities, one call a type; see WriteDoor. Versions are UNPLACED, and the id is a part of them."""
        by_type: dict[str, list[bytes]] = defaultdict(list)
        contents = [_content_of(change) for change in changes]
        for change, content in zip(changes, contents, strict=True):
            by_type[change.entity_type].append(content)
        lost: set[tuple[str, str]] = set()
        for entity_type, rows in by_type.items():
            body = msgspec.json.encode([{"newDocumentState": _alive(content)} for content in rows])
            response = await self._calls.call("POST", _path(entity_type, "push"), content=body, headers=_naming(user))
            lost |= {(entity_type, one.id) for one in msgspec.json.decode(response.content, type=list[_Lost])}
        return [
            None if (change.entity_type, change.entity_id) in lost else entry_for(user, change, UNPLACED, content)
            for change, content in zip(changes, contents, strict=True)
        ]

    async def page(self, reader: Reader, token: str, size: int) -> Slice:
        """Read the next document of the reader's one type; see Door."""
        assert reader.user is not None
        (entity_type,) = reader.types
        url = f"{_path(entity_type, 'pull')}?{token or _START}&limit=1"
        response = await self._calls.call("GET", url, headers=_naming(reader.user))
        page = msgspec.json.decode(response.content, type=_Page)
        following = f"lwt={page.checkpoint.lwt}&id={page.checkpoint.id}"
        entries = [_entry(reader.user, entity_type, one, page.checkpoint.lwt) for one in page.documents]
        return Slice(entries, following, not entries)


def _path(entity_type: str, name: str) -> str:
    return f"/rxdb/{entity_type}/0/{name}"


def _naming(user: str) -> dict[str, str]:
    return {"X-User-Id": user}


def _content_of(change: NewChange) -> bytes:
    members: dict[str, Any] = msgspec.json.decode(change.data)
    return msgspec.json.encode({"id": change.entity_id, **members})


def _alive(content: bytes) -> dict[str, Any]:
    return {**msgspec.json.decode(content, type=dict[str, Raw]), "_deleted": False}


def _entry(user: str, entity_type: str, document: dict[str, Raw], revision: int) -> Entry:
    deleted = bytes(document.pop("_deleted")) == b"true"
    entity_id = msgspec.json.decode(document["id"], type=str)
    return Entry(Entity(user, entity_type, entity_id), revision, None if deleted else msgspec.json.encode(document))
