"""Pages have exactly as many documents as were asked for while there are more, and whole documents."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from bridge.bridged import Bridged, client_of_bridge_on
from bridge.dialects.rxdb.app import App, doc, row
from harness import change
from syncline.v1 import sync_pb2
from syncline_bridge.dialects.rxdb.collection import Collection
from syncline_bridge.dialects.rxdb.models import RxdbCheckpoint
from syncline_bridge.dialects.rxdb.pages import PagesAnswer, Reading
from syncline_bridge.failure import STOPPING, RefusedError


async def test_a_first_page_and_the_next(app: App):
    await app.push(*(row(doc(f"d{at}", n=at)) for at in range(3)))
    first = await app.page(limit=2)
    assert first["documents"] == [doc("d0", n=0), doc("d1", n=1)]
    second = await app.page(first["checkpoint"], limit=2)
    assert second["documents"] == [doc("d2", n=2)]
    assert second["checkpoint"]["lwt"] > first["checkpoint"]["lwt"] > 0
    empty = await app.page(second["checkpoint"])
    assert (empty["documents"], empty["checkpoint"]["lwt"]) == ([], second["checkpoint"]["lwt"])


async def test_an_empty_log_is_an_empty_page(app: App):
    page = await app.page()
    assert (page["documents"], page["checkpoint"]["lwt"]) == ([], 0)
    assert page["checkpoint"]["id"]


async def test_a_page_is_as_long_as_was_asked_for_whatever_its_size(bridged: Bridged, app: App, user: str):
    large = json.dumps({"text": "x" * 250_000}).encode()
    async with bridged.server.client(user) as client:
        for at in range(0, 90, 15):  # more than the server's pages hold by their size
            await client.push(*(change(entity_id=f"d{at + more}", data=large) for more in range(15)))
    page = await app.page(limit=90)
    assert len(page["documents"]) == 90
    assert (await app.page(page["checkpoint"]))["documents"] == []


async def test_a_page_is_longer_than_any_of_the_servers(bridged: Bridged, app: App, user: str):
    async with bridged.server.client(user) as client:
        for start in range(0, 2500, 500):
            await client.push(*(change(entity_id=f"d{at}", data=b"{}") for at in range(start, start + 500)))
    page = await app.page(limit=2400)
    assert len({one["id"] for one in page["documents"]}) == 2400
    assert len(await app.documents(limit=1100)) == 2500


async def test_the_id_is_the_primary_key_whatever_the_data_says_and_nothing_else_is_added(
    bridged: Bridged, app: App, user: str
):
    async with bridged.server.client(user) as client:
        await client.push(
            change(entity_id="a/ä", data=b'{"id":"other","n":9007199254740993,"_deleted":true,"_rev":"1","_meta":{}}'),
            change("delete", "bare"),
            change(entity_id="gone", data={"n": 1}),
        )
        await client.push(change("delete", "gone"), change("delete", "bare"))
    answer = await app.get()
    assert '{"id":"a/ä","n":9007199254740993,"_deleted":false}' in answer.text
    assert (await app.documents())["gone"] == doc("gone", deleted=True)


async def test_other_collections_and_other_users_stay_apart(bridged: Bridged, app: App, user: str):
    await app.push(row(doc()))
    await App(bridged, user, path="/rxdb/note/0").push(row(doc("n")))
    await App(bridged, f"{user}-2").push(row(doc("theirs")))
    assert set(await app.documents()) == {"milk"}


async def test_a_token_of_another_user_is_refused(bridged: Bridged, app: App, user: str):
    await app.push(row(doc()))
    other = await App(bridged, f"{user}-2").page()
    assert (await app.get(at=other["checkpoint"]["id"])).status_code == 400, "of another user"
    forged = await app.get(at="AAAA")
    assert forged.status_code == 400


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("limit=0", "limit: has to be a whole number from 1 to 10000."),
        ("limit=10001", "limit: has to be a whole number from 1 to 10000."),
        ("limit=ten", "limit: has to be a whole number from 1 to 10000."),
        ("limit=1&limit=2", "limit: was given more than once."),
        ("lwt=-1", "lwt: has to be a whole number from 0 to 4611686018427387904."),
        ("lwt=undefined", "lwt: has to be a whole number from 0 to 4611686018427387904."),
        ("id=a&id=b", "id: was given more than once."),
    ],
)
async def test_a_query_out_of_form_is_refused(app: App, query: str, line: str):
    answer = await app.http.get(f"{app.path}/pull?{query}", headers=app.headers)
    assert (answer.status_code, answer.text) == (400, line)


class _Failing:
    """A server that goes away in the middle of a reading."""

    def __init__(self, pages: int) -> None:
        self._left = pages

    async def pull(self, _: sync_pb2.PullRequest, __: Any) -> sync_pb2.PullResponse:
        if not self._left:
            raise RefusedError(STOPPING)
        self._left -= 1
        found = sync_pb2.Change(entity_id=f"d{self._left}", revision=1)
        return sync_pb2.PullResponse(changes=[found], checkpoint_token="t", has_more=True)


async def sent_by(pages: int, limit: int) -> list[dict[str, Any]]:
    upstream: Any = _Failing(pages)
    pieces: AsyncIterator[bytes] = Reading(upstream, upstream, Collection("todo", "id"), RxdbCheckpoint("", 0)).pieces(
        limit
    )
    messages: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        raise AssertionError("nobody asks")

    await PagesAnswer(pieces)({"type": "http"}, receive, send)
    return messages


async def test_a_failure_in_the_middle_cuts_the_answer_off():
    whole = await sent_by(pages=3, limit=3)
    body = json.loads(b"".join(one.get("body", b"") for one in whole))
    assert [one["id"] for one in body["documents"]] == ["d2", "d1", "d0"]
    assert not whole[-1].get("more_body")
    torn = await sent_by(pages=2, limit=3)
    assert torn[0]["status"] == 200
    assert all(one["more_body"] for one in torn[1:]), "it never says that it is complete"


async def test_a_failure_before_the_first_page_is_an_answer():
    async with client_of_bridge_on("127.0.0.1:1") as http:
        answer = await http.get("/rxdb/todo/0/pull?lwt=0&id=&limit=5000")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_pages_are_compressed_for_who_takes_it(app: App):
    await app.push(*(row(doc(f"d{at}", text="x" * 100)) for at in range(50)))
    answer: httpx2.Response = await app.get()
    assert answer.headers["content-encoding"]
    assert len(answer.json()["documents"]) == 50
