"""Rows are compared by content, applied by revision, and what lost comes back whole."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from bridge.bridged import Bridged
from bridge.dialects.rxdb.app import App, doc, refusal, row
from harness import change
from syncline.v1 import sync_pb2

Device = Callable[[str], App]


async def test_a_new_document_and_an_update_are_applied(app: App):
    assert await app.push(row(doc(title="Milk")), row(doc("tea", title="Tea"))) == []
    assert await app.push(row(doc(title="Oat milk"), doc(title="Milk"))) == []
    assert await app.documents() == {"tea": doc("tea", title="Tea"), "milk": doc(title="Oat milk")}


async def test_what_lost_comes_back_whole_and_all_else_is_applied(app: App):
    await app.push(row(doc(title="Milk")))
    lost = await app.push(row(doc(title="Mine"), doc(title="Never was")), row(doc("rice", title="Rice")))
    assert lost == [doc(title="Milk")]
    assert set(await app.documents()) == {"milk", "rice"}


async def test_a_tombstone_that_won_comes_back_as_one(app: App):
    await app.push(row(doc(title="Milk")))
    await app.push(row(doc(deleted=True, title="Milk"), doc(title="Milk")))
    assert await app.push(row(doc(title="Mine"), doc(title="Milk"))) == [doc(deleted=True, title="Milk")]


async def test_an_insert_of_what_is_there_lost_tombstones_included(app: App):
    await app.push(row(doc("a", n=1)), row(doc("b", n=1)))
    await app.push(row(doc("b", deleted=True, n=1), doc("b", n=1)))
    assert await app.push(row(doc("a", n=2)), row(doc("b", n=2))) == [doc("a", n=1), doc("b", deleted=True, n=1)]


async def test_a_deleted_document_stays_whole_and_can_come_back(app: App):
    await app.push(row(doc(title="Milk", n=1)))
    await app.push(row(doc(deleted=True, title="Milk", n=1), doc(title="Milk", n=1)))
    assert await app.documents() == {"milk": doc(deleted=True, title="Milk", n=1)}
    assert await app.push(row(doc(title="Again"), doc(deleted=True, title="Milk", n=1))) == []
    assert await app.documents() == {"milk": doc(title="Again")}


async def test_another_tombstone_over_a_tombstone_is_kept_so_that_its_client_can_revive_it(app: App):
    await app.push(row(doc(n=1)))
    await app.push(row(doc(deleted=True, n=1), doc(n=1)))
    for _ in range(2):  # the second time as after a lost answer
        assert await app.push(row(doc(deleted=True, n=2), doc(deleted=True, n=1))) == []
    assert await app.push(row(doc(n=3), doc(deleted=True, n=2))) == []
    assert await app.documents() == {"milk": doc(n=3)}


async def test_a_document_that_was_made_and_deleted_before_its_push_is_no_conflict(app: App):
    assert await app.push(row(doc(deleted=True, n=1))) == []
    assert await app.push(row(doc(n=2), doc(deleted=True, n=1))) == []
    assert await app.documents() == {"milk": doc(n=2)}


async def test_a_document_that_the_server_has_lost_is_put_back(app: App):
    assert await app.push(row(doc(n=2), doc(n=1))) == []
    assert await app.documents() == {"milk": doc(n=2)}


async def test_the_same_rows_again_after_a_lost_answer_are_no_conflict(app: App):
    await app.push(row(doc("old", n=0)))
    rows = row(doc("new", n=1)), row(doc("old", n=1), doc("old", n=0)), row(doc("never", deleted=True))
    assert (await app.push(*rows), await app.push(*rows)) == ([], [])
    page = await app.page()
    assert [one["id"] for one in page["documents"]] == ["new", "old"], "nothing was written twice"


async def test_the_same_edit_of_two_devices_is_a_conflict_and_not_a_retry(device: Device):
    phone, laptop = device("phone"), device("laptop")
    await phone.push(row(doc(n=0)))
    edit = row(doc(n=1), doc(n=0))
    assert await phone.push(edit) == []
    assert await laptop.push(edit) == [doc(n=1)]
    assert await phone.push(edit) == []


async def test_the_same_edit_made_anew_is_a_conflict_where_pushes_tell_their_time(device: Device):
    phone = device("phone")
    await phone.push(row(doc(n=0)), at_us=1)
    edit = row(doc(n=1), doc(n=0))
    assert await phone.push(edit, at_us=2) == []
    assert await phone.push(edit, at_us=2) == [], "it is sent again"
    assert await phone.push(edit, at_us=3) == [doc(n=1)], "it is made again, of a version that is gone"


@pytest.mark.parametrize("time", ["-1", "now", "253402300800000000", "1.5"])
async def test_a_time_out_of_form_is_refused(app: App, time: str):
    status, line = refusal(await app.send(json.dumps([row(doc())]), **{"x-pushed-at": time}))
    assert (status, line) == (400, "X-Pushed-At: has to be a whole number from 0 to 253402300799999999.")


async def test_concurrent_increments_with_merging_all_count(device: Device):
    await device("first").push(row(doc(n=0)))

    async def increment(app: App, times: int) -> None:
        known = doc(n=0)
        for _ in range(times):
            while lost := await app.push(row(doc(n=known["n"] + 1), known)):
                known = lost[0]
            known = doc(n=known["n"] + 1)

    await asyncio.gather(*(increment(device(f"phone-{at}"), 10) for at in range(4)))
    assert await device("first").documents() == {"milk": doc(n=40)}


async def test_of_two_rows_of_one_document_the_last_counts(app: App):
    assert await app.push(row(doc(n=1)), row(doc("other")), row(doc(n=2))) == []
    assert (await app.documents())["milk"] == doc(n=2)


@pytest.mark.parametrize(
    ("stored", "assumed"),
    [
        ('{"a":1.0,"b":[{"c":1,"d":2}]}', '{"b":[{"d":2,"c":1}],"a":1}'),
        ('{"n":9007199254740993}', '{"n":9007199254740992}'),
        ('{"n":-0.0}', '{"n":0}'),
        ('{"n":1e3}', '{"n":1000}'),
        ('{"t":"\\u00e4\\/"}', '{"t":"ä/"}'),
        ('{"_rev":"1-a","_meta":{"lwt":1},"_attachments":{"f":{}}}', "{}"),
        ('{"id":"another"}', "{}"),
    ],
)
async def test_the_same_to_a_client_is_the_same(bridged: Bridged, app: App, user: str, stored: str, assumed: str):
    async with bridged.server.client(user) as client:
        await client.push(change(entity_id="milk", data=stored.encode()))
    sent = {"_deleted": False, **json.loads(assumed), "id": "milk"}
    assert await app.push(row(doc(mine=True), sent)) == []


@pytest.mark.parametrize(
    ("stored", "assumed"),
    [
        ('{"n":1}', {"n": True}),
        ('{"n":0}', {"n": False}),
        ('{"n":"1"}', {"n": 1}),
        ('{"n":null}', {}),
        ("{}", {"n": 1}),
    ],
)
async def test_what_a_client_can_tell_apart_is_a_conflict(
    bridged: Bridged, app: App, user: str, stored: str, assumed: dict[str, Any]
):
    async with bridged.server.client(user) as client:
        await client.push(change(entity_id="milk", data=stored.encode()))
    assert await app.push(row(doc(mine=True), doc(**assumed))) == [doc(**json.loads(stored))]


async def test_the_log_keeps_a_document_without_what_is_about_one_copy_of_it(bridged: Bridged, app: App, user: str):
    mine = '{"id":"milk","n":1.0,"_rev":"1-a","_meta":{"lwt":1},"_attachments":{},"_deleted":false}'
    assert (await app.send(f'[{{"newDocumentState":{mine},"assumedMasterState":null}}]')).json() == []
    async with bridged.server.client(user) as client:
        (stored,) = (await client.pull("todo")).changes
    assert (stored.data, stored.action) == (b'{"id":"milk","n":1.0}', sync_pb2.ACTION_CREATE)


async def test_more_than_one_call_may_carry_is_written_in_several(app: App):
    text = "x" * 60_000
    rows = [row(doc(f"d{at}", text=text)) for at in range(90)]
    assert await app.push(*rows) == []
    edits = [row(doc(f"d{at}", text="short"), doc(f"d{at}", text=text)) for at in range(90)]
    assert await app.push(*edits) == []
    assert {one["text"] for one in (await app.documents(50)).values()} == {"short"}


async def test_conflicts_that_are_too_large_for_one_answer_come_all_the_same(app: App):
    rows = [row(doc(f"d{at}", text="x" * 250_000)) for at in range(100)]
    for at in range(0, 100, 50):
        assert await app.push(*rows[at : at + 50]) == []
    lost = await app.push(*(row(doc(f"d{at}")) for at in range(100)))
    assert {one["id"] for one in lost} == {f"d{at}" for at in range(100)}


async def test_another_primary_key_is_named_in_the_path(bridged: Bridged, user: str):
    app = App(bridged, user, path="/rxdb/by-isbn/book/0")
    book = {"isbn": "1", "id": "member", "_deleted": False}
    assert await app.push(row(book)) == []
    assert (await app.page())["documents"] == [book]
    assert await app.push(row({**book, "id": "other"}, book)) == []
