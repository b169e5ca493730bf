"""P3 to P9, each once over the wire."""

import json
from typing import Any

from harness import Server, change, ids, now_ms, outcomes, refused
from syncline.v1 import sync_pb2


async def test_a_retry_is_recognised_and_writes_nothing(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        batch = [change("create", "a", {"n": 1}, at_ms=now_ms()), change("update", "a", {"m": 2}, at_ms=now_ms())]
        first, again = await client.push(*batch), await client.push(*batch)
        assert (outcomes(first), outcomes(again)) == ("aa", "rr")
        assert again.head_ms == first.head_ms
        assert again.results[1].change.revision == first.results[1].change.revision
        assert json.loads(again.results[1].change.data) == {"n": 1, "m": 2}


async def test_what_another_device_pushes_or_what_is_made_on_top_is_no_retry(shared_server: Server, user: str):
    edit = change("update", "a", {"n": 1}, at_ms=now_ms())
    async with shared_server.client(user, device="phone") as phone, shared_server.client(user, device="lap") as laptop:
        made = await phone.push(edit)
        assert outcomes(await laptop.push(edit)) == "c"
        edit.base_revision = made.results[0].change.revision
        assert outcomes(await phone.push(edit)) == "a"


async def test_the_server_wins_and_shows_its_version(shared_server: Server, user: str):
    async with shared_server.client(user, device="phone") as phone, shared_server.client(user, device="lap") as laptop:
        theirs = await phone.push(change("create", "a", {"by": "phone"}))
        lost = await laptop.push(change("update", "a", {"by": "laptop"}, at_ms=theirs.head_ms - 1))
        assert outcomes(lost) == "c"
        assert lost.results[0].change.data == b'{"by": "phone"}'
        assert lost.results[0].change.revision == theirs.results[0].change.revision
        assert outcomes(await laptop.push(change("update", "a", {"by": "laptop"}, at_ms=theirs.head_ms))) == "a"


async def test_a_device_is_known_by_the_header_too(shared_server: Server, user: str):
    async with shared_server.client(user) as client, shared_server.client(user, ttl=7200) as renewed:
        for one in (client, renewed):
            one.metadata = (*one.metadata, ("x-device-id", "phone"))
        early = now_ms() - 60_000
        await client.push(change("create", "a", at_ms=early))
        assert outcomes(await renewed.push(change("update", "a", {"n": 1}, at_ms=early + 1))) == "a"
        assert outcomes(await renewed.push(change("update", "a", {"n": 2}, at_ms=early))) == "c"


async def test_actions_do_what_they_say(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        pushed = await client.push(
            change("create", "a", {"x": 1, "y": 1}),
            change("update", "a", {"y": None}),
            change("update", "b", {"z": 1}),
            change("create", "c"),
            change("delete", "c", {"why": "done"}),
            change("delete", "never"),
        )
        assert outcomes(pushed) == "aaaaaa"
        assert pushed.results[5].change.revision == 0
        a, b, c = (await client.pull("todo")).changes
        assert (a.action, json.loads(a.data)) == (sync_pb2.ACTION_CREATE, {"x": 1, "y": None})
        assert (b.action, c.action, c.data) == (sync_pb2.ACTION_CREATE, sync_pb2.ACTION_DELETE, b'{"why": "done"}')
        assert outcomes(await client.push(change("update", "c", {"n": 1}))) == "c"
        revived = await client.push(change("create", "c", {"n": 1}))
        assert revived.results[0].change.created_revision == revived.results[0].change.revision


async def test_a_base_revision_decides_alone(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        made = await client.push(change("create", "a", {"n": 0}, base=0, at_ms=1))
        revision = made.results[0].change.revision
        assert outcomes(await client.push(change("update", "a", {"n": 1}, base=revision - 1))) == "c"
        assert outcomes(await client.push(change("update", "a", {"n": 1}, base=revision, at_ms=1))) == "a"
        assert outcomes(await client.push(change("create", "a", {"n": 2}, base=0))) == "c"


async def test_an_expected_head_has_to_be_the_head(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        first = await client.push(change("create", "a", at_ms=1), expected_head_ms=0)
        told = await refused(client.push(change("create", "b"), expected_head_ms=0))
        assert (told.code, told.reason) == ("ABORTED", "HEAD_MISMATCH")
        assert told.metadata == {"head_ms": str(first.head_ms)}
        second = await client.push(change("create", "a", at_ms=1), expected_head_ms=first.head_ms)
        assert outcomes(second) == "a"
        assert second.head_ms > first.head_ms
        assert ids((await client.pull("todo")).changes) == ["a"]


async def test_required_entities_have_to_be_there(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        told = await refused(client.push(change("create", "a"), change("update", "b"), require_existing=True))
        assert (told.code, told.reason, told.metadata) == ("NOT_FOUND", "ENTITY_NOT_FOUND", {"index": "1"})
        assert (await client.pull("todo")).head_ms == 0


async def test_the_server_makes_the_ids_of_creates_without_one(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        pushed = await client.push(change("create", "", {"n": 1}), change("create", "", {"n": 2}))
        made = [result.change.entity_id for result in pushed.results]
        assert len({*made, ""}) == 3
        assert ids((await client.pull("todo")).changes) == made


async def test_the_token_of_a_push_never_skips(shared_server: Server, user: str):
    async with shared_server.client(user, device="phone") as phone, shared_server.client(user, device="lap") as laptop:
        own = await phone.push(change("create", "p1"))
        assert not (await phone.pull("todo", checkpoint_token=own.checkpoint_token)).changes
        await laptop.push(change("create", "l1"))
        held_back = await phone.push(change("create", "p2"))
        unseen = await phone.pull("todo", checkpoint_token=held_back.checkpoint_token)
        assert "l1" in ids(unseen.changes)
        shown = await phone.push(change("create", "p3"), checkpoint_token=unseen.checkpoint_token)
        assert not (await phone.pull("todo", checkpoint_token=shown.checkpoint_token)).changes


async def test_an_update_may_not_make_data_too_large(shared_server: Server, user: str):
    half = "x" * 150_000
    async with shared_server.client(user) as client:
        await client.push(change("create", "a", {"one": half}))
        told = await refused(client.push(change("create", "b"), change("update", "a", {"two": half})))
        assert (told.code, told.reason) == ("FAILED_PRECONDITION", "DATA_TOO_LARGE")
        assert told.metadata == {"index": "1", "limit_bytes": str(256 * 1024)}
        assert ids((await client.pull("todo")).changes) == ["a"]


async def test_an_entity_that_is_known_by_other_members_is_never_written(shared_server: Server, user: str):
    def link(action: str, data: dict[str, str]) -> sync_pb2.Change:
        made = change(action, "a-b-c", data)
        made.identifying_members.extend(["of", "to"])
        return made

    async with shared_server.client(user) as client:
        await client.push(link("create", {"of": "a-b", "to": "c", "large": "x" * 20_000}))
        for action in ("create", "update", "delete"):
            told = await refused(client.push(change("create", "other"), link(action, {"of": "a", "to": "b-c"})))
            assert (told.code, told.reason, told.metadata) == ("ALREADY_EXISTS", "ENTITY_DIFFERS", {"index": "1"})
        assert outcomes(await client.push(link("update", {"of": "a-b", "n": "1"}), link("delete", {}))) == "aa"
        assert ids((await client.pull("todo")).changes) == ["a-b-c"]


async def test_pages_are_cut_by_count_and_tell_of_more(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        await client.push(*[change("create", f"e{at}") for at in range(5)])
        page = await client.pull("todo", page_size=2, include_total=True)
        assert (ids(page.changes), page.has_more, page.total_size) == (["e0", "e1"], True, 5)
        rest = await client.pull("todo", page_size=3, checkpoint_token=page.checkpoint_token, include_total=True)
        assert (ids(rest.changes), rest.has_more, rest.total_size) == (["e2", "e3", "e4"], False, 3)
        assert ids((await client.pull("todo", page_size=2, skip=3)).changes) == ["e3", "e4"]


async def test_a_page_by_number_begins_where_the_one_before_it_ended(shared_server: Server, user: str):
    async with shared_server.client(user, device="a") as client, shared_server.client(user, device="b") as other:
        await client.push(*[change("create", f"e{at}") for at in range(4)])
        asked: dict[str, Any] = {"page_size": 2, "include_total": True}
        first = await client.pull("todo", page_number=1, **asked)
        await other.push(change("update", "e0", {"n": 1}))
        second = await client.pull("todo", page_number=2, **asked)
        third = await client.pull("todo", page_number=3, **asked)
        assert [ids(page.changes) for page in (first, second, third)] == [["e0", "e1"], ["e2", "e3"], ["e0"]]
        assert [page.has_more for page in (first, second, third)] == [True, True, False]
        assert [page.total_size for page in (first, second, third)] == [4, 5, 5]
        assert {one.action for one in (*second.changes, *third.changes)} == {sync_pb2.ACTION_CREATE}


async def test_a_page_by_number_that_would_be_cut_by_bytes_is_refused(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        for at in range(0, 12, 4):
            await client.push(*[change("create", f"e{at + one}", {"x": "x" * 250_000}) for one in range(4)])
        told = await refused(client.pull("todo", page_number=1))
        assert (told.code, told.reason) == ("RESOURCE_EXHAUSTED", "ANSWER_TOO_LARGE")
        assert "ask for fewer changes a page" in told.message
        assert [len((await client.pull("todo", page_number=at, page_size=6)).changes) for at in (1, 2)] == [6, 6]


async def test_pages_are_cut_by_bytes(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        for at in range(0, 12, 4):
            await client.push(*[change("create", f"e{at + one}", {"x": "x" * 250_000}) for one in range(4)])
        page = await client.pull("todo")
        assert (len(page.changes), page.has_more) == (8, True)
        assert len(await client.pull_all("todo")) == 12


async def test_a_page_tells_what_is_new_and_what_changed_since_its_position(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        await client.push(change("create", "a"))
        token = (await client.pull("todo")).checkpoint_token
        await client.push(change("update", "a", {"n": 1}), change("create", "b"))
        actions = [one.action for one in (await client.pull("todo", checkpoint_token=token)).changes]
        assert actions == [sync_pb2.ACTION_UPDATE, sync_pb2.ACTION_CREATE]
        assert {one.action for one in (await client.pull("todo")).changes} == {sync_pb2.ACTION_CREATE}
