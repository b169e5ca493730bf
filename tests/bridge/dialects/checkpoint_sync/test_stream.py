"""Live changes as server-sent events, through a real bridge and server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from bridge.bridged import Bridged, bridged_on
from harness import change, settings_for, started_server
from syncline_server.identity import tickets

STREAM = "/client/sync/stream"


def headers_of(bridged: Bridged, user: str, **options: Any) -> dict[str, str]:
    project = bridged.server.project
    return {"X-Api-Key": project.client_key, "Authorization": f"Bearer {project.token(user, **options)}"}


class Events:
    """The events of one stream, one at a time."""

    def __init__(self, response: httpx2.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self) -> dict[str, str]:
        """Return the next event's fields; raises StopAsyncIteration when the stream has ended."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(20):
            while True:
                line = await anext(self._lines)
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    return fields

    async def ids(self) -> list[str]:
        return [one["entity_id"] for one in json.loads((await self.next())["data"])["changes"]]


@asynccontextmanager
async def opened(bridged: Bridged, query: str, **headers: str) -> AsyncIterator[Events]:
    async with bridged.http.stream("GET", f"{STREAM}?{query}", headers=headers, timeout=30) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Events(response)


async def test_a_stream_catches_up_and_then_shows_what_is_pushed(bridged: Bridged, user: str):
    async with bridged.server.client(user) as client:
        await client.push(change("create", "a", b'{"n": 9007199254740993,\n "p": 1.10}'))
        async with opened(bridged, "entity_type=todo", **headers_of(bridged, user)) as events:
            first = await events.next()
            assert '"data":{"n": 9007199254740993,  "p": 1.10}' in first["data"]
            assert json.loads(first["data"])["caught_up"] is True
            assert first["id"] == json.loads(first["data"])["checkpoint_token"]
            await client.push(change("create", "other", entity_type="note"), change("create", "b"))
            assert await events.ids() == ["b"]


async def test_several_types_are_followed_in_one_stream(bridged: Bridged, user: str):
    async with bridged.server.client(user) as client:
        await client.push(*(change("create", kind, entity_type=kind) for kind in ("todo", "note", "tag")))
        async with opened(bridged, "entity_type=todo&entity_type=note", **headers_of(bridged, user)) as events:
            assert await events.ids() == ["todo", "note"]


async def test_the_last_event_id_resumes_and_goes_before_the_token(bridged: Bridged, user: str):
    async with bridged.server.client(user) as client:
        await client.push(change("create", "a"))
        old = (await client.pull("todo")).checkpoint_token
        await client.push(change("create", "b"))
        last = (await client.pull("todo")).checkpoint_token
        await client.push(change("create", "c"))
        async with opened(bridged, f"entity_type=todo&checkpoint_token={old}", **headers_of(bridged, user)) as events:
            assert await events.ids() == ["b", "c"]
        resumed = {**headers_of(bridged, user), "Last-Event-ID": last}
        async with opened(bridged, f"entity_type=todo&checkpoint_token={old}", **resumed) as events:
            assert await events.ids() == ["c"]


async def test_a_ticket_opens_a_stream_without_headers(bridged: Bridged, user: str):
    async with bridged.server.client(user) as client:
        await client.push(change("create", "a"))
    made = await bridged.http.post("/v1/client/sync/ticket", headers=headers_of(bridged, user))
    assert made.status_code == 200
    assert set(made.json()["data"]) == {"ticket", "expires_at"}
    async with opened(bridged, f"entity_type=todo&ticket={made.json()['data']['ticket']}") as events:
        assert await events.ids() == ["a"]


@pytest.mark.parametrize(
    ("query", "headers", "status", "code"),
    [
        ("", True, 400, "INVALID_INPUT"),
        ("entity_type=%25", True, 400, "INVALID_INPUT"),
        ("entity_type=todo&checkpoint_token=nonsense", True, 400, "INVALID_INPUT"),
        ("entity_type=todo", False, 401, "UNAUTHORIZED"),
        ("entity_type=todo&ticket=nonsens%C3%A9", False, 400, "INVALID_INPUT"),
        ("entity_type=todo&ticket=%00", False, 400, "INVALID_INPUT"),
    ],
)
async def test_an_error_before_the_first_event_is_an_ordinary_answer(
    bridged: Bridged, user: str, query: str, headers: bool, status: int, code: str
):
    response = await bridged.http.get(f"{STREAM}?{query}", headers=headers_of(bridged, user) if headers else {})
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


async def test_a_session_token_is_no_ticket(bridged: Bridged, user: str):
    token = headers_of(bridged, user)["Authorization"].removeprefix("Bearer ")
    async with opened(bridged, f"entity_type=todo&ticket={token}") as events:
        assert error_of(await events.next())["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize("cause", ["ticket", "used", "expired"])
async def test_an_event_source_with_a_ticket_that_is_no_longer_good_is_told_why_by_an_event(
    bridged: Bridged, user: str, monkeypatch: pytest.MonkeyPatch, cause: str
):
    monkeypatch.setattr(tickets, "_LIFE_SECONDS", -1 if cause == "expired" else 60)
    made = await bridged.http.post("/v1/client/sync/ticket", headers=headers_of(bridged, user))
    query = f"entity_type=todo&ticket={made.json()['data']['ticket']}"
    if cause == "used":
        async with opened(bridged, query) as events:
            await events.next()
    async with opened(bridged, f"{query}x" if cause == "ticket" else query) as events:
        error = error_of(await events.next())
        assert (error["code"], error["details"]["cause"]) == ("UNAUTHORIZED", cause)
        assert "icket" in error["message"]
        with pytest.raises(StopAsyncIteration):
            await events.next()


def error_of(event: dict[str, str]) -> dict[str, Any]:
    """Return the error in the event that ends a stream."""
    assert event["event"] == "closed"
    error: dict[str, Any] = json.loads(event["data"])["error"]
    return error


async def test_a_stream_says_why_it_ends_when_its_session_does(bridged: Bridged, user: str):
    async with opened(bridged, "entity_type=todo", **headers_of(bridged, user, ttl=2)) as events:
        await events.next()
        last = await events.next()
        assert last["event"] == "closed"
        assert json.loads(last["data"])["error"]["code"] == "UNAUTHORIZED"
        with pytest.raises(StopAsyncIteration):
            await events.next()


async def test_an_idle_stream_gets_heartbeats_and_ends_at_once_when_the_bridge_stops(database_url: str):
    async with started_server(settings_for(database_url, heartbeat_seconds=0.2)) as server:
        async with bridged_on(server) as bridged:
            stream = bridged.http.stream("GET", f"{STREAM}?entity_type=todo", headers=headers_of(bridged, "ada"))
            response = await stream.__aenter__()
            events = Events(response)
            assert [await events.ids() for _ in range(3)] == [[], [], []]
            stopping_at = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - stopping_at < 5
        await stream.__aexit__(None, None, None)


async def test_more_streams_than_allowed_are_turned_away(database_url: str):
    async with (
        started_server(settings_for(database_url)) as server,
        bridged_on(server, limit_streams=1) as bridged,
        opened(bridged, "entity_type=todo", **headers_of(bridged, "ada")) as events,
    ):
        await events.next()
        refused = await bridged.http.get(f"{STREAM}?entity_type=todo", headers=headers_of(bridged, "ada"))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
