"""How a load speaks to Kinto: a bucket for the run, a collection for each user."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from syncline_client import Action, NewChange
from syncline_verify.doors import Slice, Unanswered, entry_for
from syncline_verify.history import Entity, Entry, Reader
from syncline_verify.http_calls import HttpCalls

_METHODS: Final[Mapping[Action, str]] = {Action.CREATE: "PUT", Action.UPDATE: "PATCH", Action.DELETE: "DELETE"}
_NOT_FOUND: Final = 404
_PRECONDITION_FAILED: Final = 412
_LEAST_REFUSAL: Final = 400
_MISSING: Final = frozenset({_NOT_FOUND})
_SERVER_MEMBERS: Final = ("id", "last_modified", "schema")


class KintoDoor:
    """Speaks Kinto's HTTP API as its documentation says a client should.

    A reader asks for records changed `_since` the latest change that it has, oldest first, and pages by `Next-Page`.
    Revisions are `last_modified`, milliseconds. A token is what `_since` is, or `<_since> <address of the next page>`.
    """

    def __init__(self, calls: HttpCalls, bucket: str) -> None:
        """Keep everything in one bucket."""
        self._calls = calls
        self._bucket = f"/v1/buckets/{bucket}"

    async def reach(self, users: Sequence[str]) -> None:
        """Make the bucket and its collections; raises Unreachable."""
        await self._calls.reach("PUT", self._bucket)
        for user in users:
            await self._calls.reach("PUT", f"{self._bucket}/collections/{user}")

    async def clean(self) -> None:
        """Delete the bucket and all that is in it."""
        await self._calls.call("DELETE", self._bucket)

    async def push(self, user: str, changes: Sequence[NewChange], push_id: str) -> list[Entry | None]:
        """Push, several changes as one batch; see WriteDoor. Kinto runs it in one transaction, and knows no push id."""
        requests = [self._request(user, change) for change in changes]
        if len(requests) == 1:
            response = await self._calls.call(
                requests[0]["method"], requests[0]["path"], json=requests[0].get("body"), accept=_MISSING
            )
            return [_entry_after(user, changes[0], response.status_code, response.json())]
        batch = {"requests": requests}
        answers = (await self._calls.call("POST", "/v1/batch", json=batch)).json()["responses"]
        return [
            _entry_after(user, change, answer["status"], answer["body"])
            for change, answer in zip(changes, answers, strict=True)
        ]

    async def page(self, reader: Reader, token: str, size: int) -> Slice:
        """Read a page; see Door."""
        assert reader.user is not None
        since, _, address = (token or "0").partition(" ")
        if address:
            response = await self._calls.call("GET", address)
        else:
            query = {"_since": f'"{since}"', "_sort": "last_modified", "_limit": str(size)}
            response = await self._calls.call("GET", self._records(reader.user), params=query)
        entries = [_entry_of(reader.user, record) for record in response.json()["data"]]
        latest = str(entries[-1].revision) if entries else since
        following = response.headers.get("Next-Page", "")
        return Slice(entries, f"{latest} {following}".strip(), complete=not following)

    async def head(self, user: str) -> int:
        """Return the timestamp of the collection; see BidDoor."""
        response = await self._calls.call("HEAD", self._records(user))
        return int(response.headers["ETag"].strip('"'))

    async def bid(self, user: str, head: int, change: NewChange) -> Entry | None:
        """Create a record if the collection has not changed since; see BidDoor."""
        record = {"data": {"id": _record_id(change), **json.loads(change.data)}}
        response = await self._calls.call(
            "POST",
            self._records(user),
            json=record,
            headers={"If-Match": f'"{head}"'},
            accept=frozenset({_PRECONDITION_FAILED}),
        )
        if response.status_code == _PRECONDITION_FAILED:
            return None
        return _entry_after(user, change, response.status_code, response.json())

    def _records(self, user: str) -> str:
        return f"{self._bucket}/collections/{user}/records"

    def _request(self, user: str, change: NewChange) -> dict[str, Any]:
        request = {"method": _METHODS[change.action], "path": f"{self._records(user)}/{_record_id(change)}"}
        if change.action is Action.DELETE:
            return request
        return {**request, "body": {"data": json.loads(change.data)}}


def _record_id(change: NewChange) -> str:
    return f"{change.entity_type}-{change.entity_id}"


def _entry_after(user: str, change: NewChange, status: int, body: Mapping[str, Any]) -> Entry | None:
    """Return the version of an answer; None: there was no such record. Raises Unanswered for a part that failed."""
    if status == _NOT_FOUND:
        return None
    if status >= _LEAST_REFUSAL:
        raise Unanswered(f"{status}: {body}")
    return entry_for(user, change, body["data"]["last_modified"], _content(body["data"]))


def _entry_of(user: str, record: Mapping[str, Any]) -> Entry:
    entity_type, _, entity_id = record["id"].partition("-")
    return Entry(Entity(user, entity_type, entity_id), record["last_modified"], _content(record))


def _content(record: Mapping[str, Any]) -> bytes | None:
    if record.get("deleted"):
        return None
    members = {name: value for name, value in record.items() if name not in _SERVER_MEMBERS}
    return json.dumps(members, sort_keys=True).encode()
