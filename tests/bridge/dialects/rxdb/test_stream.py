"""Documents as server-sent events: no gap behind the pull before it, and an end that clients come back from."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from bridge.bridged import Bridged, bridged_on, client_of_bridge_on
from bridge.dialects.rxdb.app import App, doc, refusal, row


class Events:
    """What comes over one stream, block by block."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def block(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        async with asyncio.timeout(20):
            async for line in self._lines:
                if not line and fields:
                    return fields
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        raise StopAsyncIteration

    async def documents(self) -> list[dict[str, Any]]:
        """Return those of the next event."""
        while "data" not in (block := await self.block()):
            assert block.keys() <= {"", "id", "retry"}, "a heartbeat is a comment"
        event = json.loads(block["data"])
        assert event["documents"], "no event without documents"
        assert event["checkpoint"]["id"] == block["id"]
        documents: list[dict[str, Any]] = event["documents"]
        return documents


@asynccontextmanager
async def opened(app: App, query: str = "", **headers: str) -> AsyncIterator[Events]:
    url = f"{app.path}/pullStream{query}"
    async with app.http.stream("GET", url, headers={**app.headers, **headers}, timeout=30) as response:
        assert response.status_code == 200, await response.aread()
        yield Events(response)


async def test_it_begins_in_the_past_and_goes_on_live(app: App):
    await app.push(row(doc("before")))
    async with opened(app) as events:
        assert await events.documents() == [doc("before")]
        await app.push(row(doc(n=1)))
        assert await events.documents() == [doc(n=1)]
        await app.push(row(doc(deleted=True, n=1), doc(n=1)))
        assert await events.documents() == [doc(deleted=True, n=1)]


async def test_its_first_words_say_how_soon_to_come_back_and_where_it_is(app: App):
    async with opened(app) as events:
        first = await events.block()
    assert (first["retry"], "data" in first) == ("1000", False)
    assert first["id"]


async def test_it_is_resumed_by_the_id_of_the_last_event(app: App):
    await app.push(row(doc("a")))
    async with opened(app) as events:
        await events.documents()
    page = await app.page()
    await app.push(row(doc("b")))
    async with opened(app, **{"last-event-id": page["checkpoint"]["id"]}) as events:
        assert await events.documents() == [doc("b")]


async def test_a_heartbeat_resumes_too(app: App):
    async with opened(app) as events:
        known = (await events.block())["id"]
    await app.push(row(doc("a")))
    async with opened(app, **{"last-event-id": known}) as events:
        assert await events.documents() == [doc("a")]


async def test_a_ticket_opens_it_without_headers(app: App):
    ticket = (await app.http.post("/rxdb/ticket", headers=app.headers)).json()
    assert set(ticket) == {"ticket"}
    await app.push(row(doc("a")))
    url = f"{app.path}/pullStream?ticket={ticket['ticket']}"
    async with app.http.stream("GET", url, timeout=30) as response:
        assert await Events(response).documents() == [doc("a")]


async def test_it_is_told_to_come_back_where_that_helps(bridged: Bridged, user: str):
    async with client_of_bridge_on("127.0.0.1:1") as http:
        away = await http.get("/rxdb/todo/0/pullStream")
    async with bridged_on(bridged.server, limit_streams=1) as running:
        app = App(running, user)
        async with opened(app):
            full = await running.http.get(f"{app.path}/pullStream", headers=app.headers)
    for answer in (away, full):
        assert (answer.status_code, answer.text) == (200, "retry: 1000\n\n")
        assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/rxdb/todo/0", 401), ("/rxdb/1/0", 400), ("/rxdb/todo/x", 400), ("/rxdb/by-_id/todo/0", 400)],
)
async def test_it_is_refused_where_coming_back_does_not_help(bridged: Bridged, path: str, status: int):
    assert refusal(await bridged.http.get(f"{path}/pullStream"))[0] == status


async def test_streams_keep_no_request_out_and_are_not_compressed(bridged: Bridged, user: str):
    async with bridged_on(bridged.server, limit_concurrency=1) as running:
        app = App(running, user)
        async with opened(app) as events, opened(app) as others:
            await app.push(row(doc(text="x" * 5000)))
            for one in (events, others):
                assert "content-encoding" not in one.response.headers
                assert [found["id"] for found in await one.documents()] == ["milk"]


async def test_the_origin_of_one_stream_is_not_shown_to_the_next(bridged: Bridged, user: str):
    async with bridged_on(bridged.server, cors_origins=("https://app.example",)) as running:
        app = App(running, user)
        async with opened(app, origin="https://app.example") as events:
            shown = events.response.headers
            assert shown["access-control-allow-origin"] == "https://app.example"
            assert shown["access-control-allow-credentials"] == "true"
        async with opened(app) as events:
            assert "access-control-allow-origin" not in events.response.headers
