"""Get, over the wire: what is asked for by ids."""

from typing import Any

import pytest

from harness import Client, Server, change, ids, refused
from syncline.v1 import sync_pb2


async def get(client: Client, *names: str | tuple[str, str], **fields: Any) -> sync_pb2.GetResponse:
    pairs = [("todo", name) if isinstance(name, str) else name for name in names]
    entities = [sync_pb2.EntityReference(entity_type=kind, entity_id=name) for kind, name in pairs]
    request = sync_pb2.GetRequest(entities=entities, **fields)
    return await client.stub.Get(request, metadata=client.metadata, timeout=30)


async def test_entities_are_answered_once_in_the_order_that_they_are_asked_for(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        pushed = await client.push(
            change("create", "a", {"n": 1}), change("create", "b"), change("delete", "b", {"why": "done"})
        )
        found = await get(client, "b", "never", "a", "b", ("never", "a"))
        assert ids(found.changes) == ["b", "a"]
        assert [one.data for one in found.changes] == [b'{"why": "done"}', b'{"n": 1}']
        assert [one.revision for one in found.changes] == [
            pushed.results[2].change.revision,
            pushed.results[0].change.revision,
        ]
        assert (found.head_ms, found.unread) == (pushed.head_ms, 0)


async def test_actions_are_those_of_a_push(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        await client.push(change("create", "new"), change("create", "changed"), change("create", "gone"))
        pushed = await client.push(change("update", "changed", {"n": 1}), change("delete", "gone"))
        found = await get(client, "new", "changed", "gone")
        told = [one.change.action for one in pushed.results]
        assert [one.action for one in found.changes] == [sync_pb2.ACTION_CREATE, *told]


async def test_it_shows_nothing_and_moves_no_position(shared_server: Server, user: str):
    async with shared_server.client(user, device="a") as reader, shared_server.client(user, device="b") as other:
        await other.push(change("create", "news"))
        await get(reader, "news")
        pushed = await reader.push(change("create", "mine"))
        assert ids((await reader.pull("todo", checkpoint_token=pushed.checkpoint_token)).changes) == ["news", "mine"]


async def test_what_is_cut_by_bytes_says_how_many_references_are_unread(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        for at in range(0, 12, 4):
            await client.push(*[change("create", f"e{at + one}", {"x": "x" * 250_000}) for one in range(4)])
        names = [f"e{at}" for at in range(12)]
        first = await get(client, *names, "e0", "e11")
        assert (ids(first.changes), first.unread) == (names[:8], 6)
        rest = await get(client, *[*names, "e0", "e11"][-first.unread :])
        assert (ids(rest.changes), rest.unread) == ([*names[8:], "e0"], 0)


async def test_types_are_held_to_the_scopes_of_the_session(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        await client.push(change("create", "a"), change("create", "a", entity_type="memo"))
    async with shared_server.client(user, scope="sync todo") as client:
        assert ids((await get(client, "a")).changes) == ["a"]
        told = await refused(get(client, "a", ("memo", "a")))
        assert (told.code, told.reason) == ("PERMISSION_DENIED", "TYPE_FORBIDDEN")
        assert told.metadata == {"entity_type": "memo"}


async def test_nobody_gets_what_is_another_users(shared_server: Server, user: str):
    async with shared_server.client(user) as client, shared_server.client(f"{user}-other") as other:
        await client.push(change("create", "a"))
        found = await get(other, "a")
        assert (list(found.changes), found.head_ms) == ([], 0)
        assert (await refused(get(other, "a", user_id=user))).reason == "USER_FORBIDDEN"


TOO_MANY = [f"e{at}" for at in range(1001)]
BAD_REFERENCES: dict[str, tuple[list[Any], str, str]] = {
    "1001 of them": (TOO_MANY, "entities", "must be at most 1000"),
    "a bad type": (["a", ("to do", "a")], "entities[1].entity_type", "must be a letter"),
    "no id": (["a", "b", ""], "entities[2].entity_id", "1 to 128 bytes"),
    "a control character": (["a\x1fb"], "entities[0].entity_id", "control"),
}


@pytest.mark.parametrize(("names", "field", "problem"), BAD_REFERENCES.values(), ids=BAD_REFERENCES)
async def test_malformed_references_are_refused(
    shared_server: Server, user: str, names: list[Any], field: str, problem: str
):
    async with shared_server.client(user) as client:
        told = await refused(get(client, *names))
        assert (told.code, told.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
        [(named, sentence)] = told.violations
        assert named == field
        assert problem in sentence
