"""A push with a push_id acts once: the counterexamples X20 to X24 over the wire, and what a push_id may be."""

import asyncio
import json
import uuid

import pytest

from harness import Server, change, now_ms, outcomes, refused
from syncline.v1 import sync_pb2


def revisions(answer: sync_pb2.PushResponse) -> list[int]:
    return [result.change.revision for result in answer.results]


async def test_of_two_equal_increments_on_one_base_one_is_told_of_a_conflict(shared_server: Server, user: str):
    """X20: two tabs, whose devices are not known."""
    async with shared_server.client(user) as one, shared_server.client(user, ttl=7200) as other:
        base = (await one.push(change("create", "n", {"n": 0}))).results[0].change.revision
        pushes = [(one, "a"), (other, "b")]
        answers = [await tab.push(change("update", "n", {"n": 1}, base=base), push_id=name) for tab, name in pushes]
        assert [outcomes(answer) for answer in answers] == ["a", "c"]
        assert json.loads(answers[1].results[0].change.data) == {"n": 1}


async def test_a_push_that_ends_like_the_one_before_is_a_new_one(shared_server: Server, user: str):
    """X21."""
    async with shared_server.client(user, device="a") as client:
        for at in (1, 2):
            tags = change("update", "x", {f"tag {at}": True}), change("update", "x", {"done": True})
            assert outcomes(await client.push(*tags, push_id=str(at))) == "aa"
        assert json.loads((await client.pull("todo")).changes[0].data) == {"tag 1": True, "tag 2": True, "done": True}


async def test_the_same_bytes_as_a_new_edit_are_a_new_edit(shared_server: Server, user: str):
    async with shared_server.client(user, device="a") as client:
        pushed = [await client.push(change("update", "x", {"n": 1}), push_id=name) for name in ("p", "q")]
        assert [outcomes(answer) for answer in pushed] == ["a", "a"]


async def test_a_late_retry_does_not_write_over_what_another_has_written(shared_server: Server, user: str):
    """X22."""
    async with shared_server.client(user, device="a") as a, shared_server.client(user, device="b") as b:
        push_id = str(uuid.uuid4())
        first = await a.push(change("create", "x", {"title": "from A"}), push_id=push_id)
        await b.push(change("update", "x", {"title": "from B"}))
        again = await a.push(change("create", "x", {"title": "from A"}), push_id=push_id)
        assert (outcomes(again), revisions(again)) == ("r", revisions(first))
        assert json.loads((await b.pull("todo")).changes[0].data) == {"title": "from B"}


async def test_creates_without_ids_under_one_push_id_make_an_entity_each(shared_server: Server, user: str):
    """X23: two phones that count."""
    made = []
    for device in ("a", "b"):
        async with shared_server.client(user, device=device) as client:
            answer = await client.push(change("create", "", {"by": device}), push_id="1")
            assert outcomes(answer) == "a"
            made.append(answer.results[0].change.entity_id)
    assert len(set(made)) == 2


async def test_a_create_without_an_id_is_the_same_entity_when_it_comes_again(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        batch = [change("create", "", {"n": 1}), change("create", "", {"n": 1}), change("create", "mine")]
        first, again = await client.push(*batch, push_id="p"), await client.push(*batch, push_id="p")
        made = [[result.change.entity_id for result in answer.results] for answer in (first, again)]
        assert made[0] == made[1]
        assert [uuid.UUID(one).version for one in made[0][:2]] == [8, 8]
        assert len(set(made[0])) == len((await client.pull("todo")).changes) == 3


async def test_a_create_without_an_id_and_without_a_push_id_is_another_each_time(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        made = {(await client.push(change("create", ""))).results[0].change.entity_id for _ in range(2)}
        assert len(made) == 2


async def test_a_retry_after_a_renewed_token_is_recognised(shared_server: Server, user: str):
    """X24."""
    async with shared_server.client(user) as before, shared_server.client(user, ttl=7200) as after:
        await before.push(change("update", "n", {"n": 1}, base=0), push_id="p")
        await after.push(change("update", "n", {"n": 2}))
        assert outcomes(await after.push(change("update", "n", {"n": 1}, base=0), push_id="p")) == "r"


async def test_retries_that_come_at_once_are_applied_once(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        pushes = [client.push(change("update", "n", {"n": 1}, base=0), push_id="p") for _ in range(8)]
        answers = await asyncio.gather(*pushes)
        assert sorted(outcomes(answer) for answer in answers) == ["a", *"r" * 7]
        assert len({tuple(revisions(answer)) for answer in answers}) == 1


async def test_a_conflict_is_the_same_conflict_again_with_the_data_of_today(shared_server: Server, user: str):
    async with shared_server.client(user, device="a") as a, shared_server.client(user, device="b") as b:
        await b.push(change("create", "x", {"by": "b"}))
        first = await a.push(change("update", "x", {"by": "a"}, base=7), push_id="p")
        await b.push(change("update", "x", {"by": "b again"}))
        again = await a.push(change("update", "x", {"by": "a"}, base=7), push_id="p")
        assert (outcomes(first), outcomes(again)) == ("c", "c")
        assert revisions(again) == revisions(first)
        assert json.loads(again.results[0].change.data) == {"by": "b again"}


async def test_an_id_with_other_content_is_refused_by_name(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        await client.push(change("create", "x"), push_id="1")
        said = await refused(client.push(change("create", "y"), push_id="1"))
        assert (said.code, said.reason) == ("INVALID_ARGUMENT", "PUSH_ID_REUSED")
        assert [field for field, _ in said.violations] == ["push_id"]
        assert [one.entity_id for one in (await client.pull("todo")).changes] == ["x"]


@pytest.mark.parametrize("push_id", ["x" * 65, "é" * 33, "a\nb", "a\x00", "\u202e", "\x85"])
async def test_what_is_no_push_id_is_refused_by_name(shared_server: Server, user: str, push_id: str):
    async with shared_server.client(user) as client:
        said = await refused(client.push(change("create", "x"), push_id=push_id))
        assert (said.code, said.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
        assert [field for field, _ in said.violations] == ["push_id"]
        assert ("64 bytes" in said.message) is (len(push_id.encode()) > 64)
        assert not (await client.pull("todo")).changes


@pytest.mark.parametrize("push_id", ["x" * 64, "é" * 32, "a b", "7b7e4a7f-2bb3-45eb-90cf-98b9cd31dc97"])
async def test_any_other_text_is_a_push_id(shared_server: Server, user: str, push_id: str):
    async with shared_server.client(user) as client:
        await client.push(change("create", "x"), push_id=push_id)
        assert outcomes(await client.push(change("create", "x"), push_id=push_id)) == "r"


async def test_without_a_push_id_nothing_is_remembered(shared_server: Server, user: str):
    async with shared_server.client(user, device="a") as a, shared_server.client(user, device="b") as b:
        at = now_ms()
        await a.push(change("create", "x", {"by": "a"}))
        await b.push(change("update", "x", {"by": "b"}))
        assert outcomes(await a.push(change("create", "x", {"by": "a"}, at_ms=at - 1000))) == "c"


async def test_a_refused_push_may_come_again_with_the_id(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        said = await refused(client.push(change("update", "x"), push_id="p", require_existing=True))
        assert said.reason == "ENTITY_NOT_FOUND"
        assert outcomes(await client.push(change("create", "x"), push_id="p")) == "a"


async def test_under_an_expected_head_a_retry_is_answered_alike(shared_server: Server, user: str):
    async with shared_server.client(user, device="a") as a, shared_server.client(user, device="b") as b:
        first = await a.push(change("create", "x"), push_id="p", expected_head_ms=0)
        foreign = await b.push(change("create", "y"))
        again = await a.push(change("create", "x"), push_id="p", expected_head_ms=0)
        assert (outcomes(again), again.head_ms) == ("r", first.head_ms)
        rest = await a.pull("todo", checkpoint_token=again.checkpoint_token)
        assert [one.revision for one in rest.changes] == revisions(foreign)


async def test_an_answer_to_a_retry_skips_nothing_that_came_meanwhile(shared_server: Server, user: str):
    async with shared_server.client(user, device="a") as a, shared_server.client(user, device="b") as b:
        shown = (await a.pull("todo")).checkpoint_token
        first = await a.push(change("create", "x"), push_id="p", checkpoint_token=shown)
        foreign = await b.push(change("create", "y"))
        again = await a.push(change("create", "x"), push_id="p", checkpoint_token=shown)
        rest = await a.pull("todo", checkpoint_token=again.checkpoint_token)
        assert [one.revision for one in rest.changes] == [*revisions(first), *revisions(foreign)]


async def test_pushes_of_a_stream_are_recognised_one_by_one(shared_server: Server, user: str):
    async with shared_server.client(user, device="a") as a, shared_server.client(user, device="b") as b:
        pushes = [sync_pb2.PushRequest(changes=[change("update", f"e{at}")], push_id=str(at)) for at in range(3)]
        await a.push(change("update", "e1"), push_id="1")
        await b.push(change("update", "e1", {"by": "b"}))
        stream = a.stub.PushStream(iter([sync_pb2.PushStreamRequest(pushes=pushes)]), metadata=a.metadata)
        answers = [one.response async for message in stream for one in message.answers]
        assert [outcomes(answer) for answer in answers] == ["a", "r", "a"]
