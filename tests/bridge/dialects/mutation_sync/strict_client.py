"""The strictest public client one could write from the specification: it throws on whatever deviates from it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

PATH = "/auth/v1/sync"
RESOURCES = ("BOOKMARK", "COLLECTION", "COLLECTION_BOOKMARK", "NOTE", "READING_SESSION")
OUT_OF_SYNC = "Invalid lastMutationAt, please re-sync your data and try again."
_INTEGER = re.compile(r"-?\d+")

Key = tuple[str, str]


class ProtocolViolation(Exception):
    """The server did what the specification does not allow."""


class OutOfSync(Exception):
    """The server's head has moved on: pull, then try again."""


@dataclass
class StrictClient:
    """Holds one user's resources and head, and checks every answer it gets."""

    http: httpx2.AsyncClient
    headers: dict[str, str]
    page_size: int = 100
    head: int = -1
    held: dict[Key, dict[str, Any]] = field(default_factory=dict)

    async def pull(self) -> list[dict[str, Any]]:
        """Get everything since the head, page by page; returns it once it is held."""
        since, cursor = self.head, ""
        pulled: list[dict[str, Any]] = []
        while True:
            query = {
                "mutationsSince": str(since),
                "limit": str(self.page_size),
                "resources": ",".join(RESOURCES),
                "cursor": cursor,
            }
            page = self._page(await self.http.get(PATH, params=query, headers=self.headers), 200)
            for mutation in page["mutations"]:
                _check_mutation(mutation, pulled_since=since)
            keys = [key_of(mutation) for mutation in page["mutations"]]
            _require(len(set(keys)) == len(keys), "a resource twice")
            pulled += page["mutations"]
            if not page["hasMore"]:
                break
            _require(len(page["mutations"]) > 0 and page["total"] > len(pulled), "more to come, but nothing moves")
            cursor = page["nextCursor"]
        times = [mutation["timestamp"] for mutation in pulled]
        _require(times == sorted(times), "not ascending")
        _require(not times or times[-1] <= page["lastMutationAt"], "later than the head")
        _require(page["lastMutationAt"] >= since, "the head went back")
        for mutation in pulled:
            self._take(mutation)
        self.head = page["lastMutationAt"]
        return pulled

    async def push(self, mutations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Post against the head; raises OutOfSync. Returns the answers once they are held."""
        response = await self.send(mutations)
        if response.status_code == 409:
            _check_out_of_sync(response)
            raise OutOfSync
        page = self._page(response, 200)
        answers: list[dict[str, Any]] = page["mutations"]
        _require(len(answers) == len(mutations) == page["total"], "as many answers as mutations")
        _require((page["page"], page["hasMore"]) == (1, False), "one page")
        for sent, answer in zip(mutations, answers, strict=True):
            _check_mutation(answer)
            _require((answer["type"], answer["resource"]) == (sent["type"], sent["resource"]), "type and resource")
            _require(answer["resourceId"] == sent.get("resourceId", answer["resourceId"]), "another resourceId")
            _require(all(item in answer["data"].items() for item in _sent_members(sent)), "data lacks what was sent")
            self._take(answer)
        last = answers[-1]["timestamp"] if answers else self.head
        _require(page["lastMutationAt"] == last, "the head is not the last timestamp")
        _require(last > self.head or not answers, "the head did not move")
        self.head = last
        return answers

    async def send(self, mutations: Sequence[dict[str, Any]]) -> httpx2.Response:
        """Post, and look at nothing."""
        query = {"lastMutationAt": self.head}
        return await self.http.post(PATH, params=query, json={"mutations": mutations}, headers=self.headers)

    def _take(self, mutation: dict[str, Any]) -> None:
        if mutation["type"] == "DELETE":
            self.held.pop(key_of(mutation), None)
        else:
            self.held[key_of(mutation)] = mutation["data"]

    def _page(self, response: httpx2.Response, status: int) -> dict[str, Any]:
        _require(response.status_code == status, f"status {response.status_code}: {response.text}")
        body = json.loads(response.text, parse_float=_no_float)
        _require(body.get("success") is True, "success")
        page: dict[str, Any] = body["data"]
        for member in ("lastMutationAt", "page", "limit", "total"):
            _require(type(page[member]) is int, f"{member} is no integer")
        _require(isinstance(page["mutations"], list) and isinstance(page["hasMore"], bool), "members of the page")
        header = response.headers.get("X-Mutation-At", "")
        _require(_INTEGER.fullmatch(header) is not None, "no header X-Mutation-At")
        _require(int(header) == page["lastMutationAt"], "the header is not the head")
        _require(page["lastMutationAt"] == -1 or page["lastMutationAt"] > 0, "no head")
        return page


def key_of(mutation: dict[str, Any]) -> Key:
    return mutation["resource"], mutation["resourceId"]


def _sent_members(sent: dict[str, Any]) -> list[tuple[str, Any]]:
    return [] if sent["type"] == "DELETE" else list(sent["data"].items())


def _check_mutation(mutation: dict[str, Any], pulled_since: int | None = None) -> None:
    _require(mutation["resource"] in RESOURCES, "a resource nobody asked for")
    _require(mutation["type"] in {"CREATE", "UPDATE", "DELETE"}, "type")
    _require(isinstance(mutation["resourceId"], str) and mutation["resourceId"].strip() != "", "blank resourceId")
    _require(type(mutation["timestamp"]) is int and mutation["timestamp"] > 0, "timestamp")
    _require(pulled_since is None or mutation["timestamp"] > pulled_since, "not later than mutationsSince")
    _require(pulled_since != -1 or mutation["type"] != "UPDATE", "an update of what was never created")
    _check_data(mutation)


def _check_data(mutation: dict[str, Any]) -> None:
    data = mutation["data"]
    _require(isinstance(data, dict), "data")
    if mutation["resource"] == "COLLECTION_BOOKMARK":
        ids = (data["collectionId"], data["bookmarkId"])
        _require(ids == (data["collection"], data["bookmark"]), "two spellings, two ids")
        _require(mutation["resourceId"] == "-".join(ids), "composite id")
    elif mutation["type"] == "DELETE":
        _require(data == {}, "a tombstone with data")


def _check_out_of_sync(response: httpx2.Response) -> None:
    body = response.json()
    error = {"code": "OutOfSyncError", "message": OUT_OF_SYNC}
    _require(body["error"] == error and body["details"]["error"] == error, "error")
    _require((body["success"], body["message"], body["type"]) == (False, OUT_OF_SYNC, "conflict"), "error body")


def _no_float(text: str) -> None:
    raise ProtocolViolation(f"a float: {text}")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ProtocolViolation(what)
