"""T1 and T4: what a token is good for, and who may read what."""

import base64

import pytest
from sqlalchemy import select

from harness import Server, change, ids, make_project, opened_engines, refused, settings_for, started_server
from syncline_server.store.tables import checkpoint_keys, epochs, projects
from syncline_server.sync.checkpoint import CheckpointCodec
from syncline_server.sync.circle import Checkpoint


async def token_of(server: Server, user: str) -> str:
    async with server.client(user) as client:
        return (await client.push(change("create", "a"))).checkpoint_token


async def forged(server: Server, user: str, *, revision: int = 5, epoch: int | None = None) -> str:
    """Make a token with the database's own key; its epoch is the one in force unless given."""
    found = select(projects.c.id).where(projects.c.name == server.project.name)
    async with opened_engines(server.settings) as engines, engines.reading.connect() as connection:
        key = (await connection.execute(select(checkpoint_keys))).one()
        project_id = (await connection.execute(found)).scalar_one()
        in_force = (await connection.execute(select(epochs.c.id).order_by(epochs.c.number.desc()))).scalars().first()
    codec = CheckpointCodec({key.id: key.secret})
    return codec.encode(codec.scope_tag(project_id, user), Checkpoint(epoch or in_force or 0, revision, revision))


DAMAGES = {
    "garbage": lambda token: "garbage",
    "cut": lambda token: token[:-1],
    "longer": lambda token: token + "A",
    "one bit": lambda token: token[:30] + ("A" if token[30] != "A" else "B") + token[31:],
    "a revision of its own": lambda token: base64.urlsafe_b64encode(bytes(42)).decode(),
    "far too long": lambda token: token * 2000,
    "not ASCII": lambda token: token[:-1] + "é",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("call", ["push", "pull", "stream"])
async def test_a_damaged_token_is_refused(shared_server: Server, user: str, damage, call: str):
    token = damage(await token_of(shared_server, user))
    async with shared_server.client(user) as client:
        calls = {
            "push": lambda: client.push(change("create", "b"), checkpoint_token=token),
            "pull": lambda: client.pull("todo", checkpoint_token=token),
            "stream": lambda: client.stream("todo", checkpoint_token=token).read(),
        }
        told = await refused(calls[call]())
        assert (told.code, told.reason) == ("INVALID_ARGUMENT", "CHECKPOINT_INVALID")
        assert told.violations[0][0] == "checkpoint_token"
        assert token not in told.message
        assert ids((await client.pull("todo")).changes) == ["a"]


async def test_a_token_of_another_user_is_refused(shared_server: Server, user: str):
    theirs = await token_of(shared_server, user)
    async with shared_server.client(f"{user}-other") as client:
        for call in (client.pull("todo", checkpoint_token=theirs), client.push(checkpoint_token=theirs)):
            assert (await refused(call)).reason == "CHECKPOINT_INVALID"


async def test_a_token_of_another_project_is_refused(database_url: str):
    settings = settings_for(database_url)
    one = await make_project(settings, "one")
    other = await make_project(settings, "other")
    async with started_server(settings, one) as server:
        token = await token_of(server, "ada")
        async with Server(server.address, other, settings).client("ada") as client:
            assert (await refused(client.pull("todo", checkpoint_token=token))).reason == "CHECKPOINT_INVALID"
            assert not (await client.pull("todo")).changes


async def test_the_token_of_a_user_is_none_of_the_project_and_the_other_way_round(shared_server: Server, user: str):
    of_user = await token_of(shared_server, user)
    async with shared_server.service() as service:
        told = await refused(service.stream(all_users=True, checkpoint_token=of_user).read())
        assert told.reason == "CHECKPOINT_INVALID"
        of_project = (await service.stream(all_users=True).read()).checkpoint_token
        told = await refused(service.pull(user_id=user, checkpoint_token=of_project))
        assert told.reason == "CHECKPOINT_INVALID"


@pytest.mark.parametrize("lost", [{"epoch": 4242}, {"revision": 2**61}], ids=["epoch", "past the head"])
async def test_a_token_of_a_lost_history_has_expired(shared_server: Server, user: str, lost: dict[str, int]):
    token = await forged(shared_server, user, **lost)
    async with shared_server.client(user) as client:
        pushed = await client.push(change("create", "a"), checkpoint_token=token)
        told = await refused(client.pull("todo", checkpoint_token=pushed.checkpoint_token))
        assert told.reason == "CHECKPOINT_EXPIRED", "the next pull has to say that it is lost"
        told = await refused(client.pull("todo", checkpoint_token=token))
        assert (told.code, told.reason) == ("OUT_OF_RANGE", "CHECKPOINT_EXPIRED")
        assert (await refused(client.stream("todo", checkpoint_token=token).read())).reason == "CHECKPOINT_EXPIRED"
        page = await client.pull("todo", checkpoint_token=token, reset_when_expired=True)
        assert (page.reset, ids(page.changes)) == (True, ["a"])
        first = await client.stream("todo", checkpoint_token=token, reset_when_expired=True).read()
        assert (first.reset, ids(first.changes)) == (True, ["a"])
        assert not (await client.pull("todo", reset_when_expired=True)).reset


async def test_a_token_is_good_for_any_type_and_stays_the_same_where_nothing_is_new(shared_server: Server, user: str):
    async with shared_server.client(user, device="phone") as client:
        token = (await client.push(change("create", "a"))).checkpoint_token
        for types in (["todo"], ["note"], []):
            page = await client.pull(*types, checkpoint_token=token)
            again = await client.pull(*types, checkpoint_token=page.checkpoint_token)
            assert (list(page.changes), list(again.changes)) == ([], [])
            assert again.checkpoint_token == page.checkpoint_token


async def test_a_server_key_names_a_user(shared_server: Server, user: str):
    async with shared_server.service() as service, shared_server.client(user) as client:
        await service.push(change("create", "s1"), user_id=user)
        await client.push(change("create", "c1"))
        assert ids((await service.pull(user_id=user)).changes) == ["s1", "c1"]
        told = await refused(service.pull("todo"))
        assert (told.code, told.reason) == ("UNAUTHENTICATED", "SESSION_INVALID")


async def test_the_firehose_carries_all_users(shared_server: Server, user: str):
    async with shared_server.service() as service, shared_server.client(user) as one:
        async with shared_server.client(f"{user}-other") as other:
            start = (await service.stream("todo", all_users=True, after_revision=2**62).read()).checkpoint_token
            await one.push(change("create", "a"))
            await other.push(change("create", "a"), change("create", "n", entity_type="note"))
        seen = [
            one
            async for message in service.stream("todo", all_users=True, checkpoint_token=start)
            for one in message.changes
        ]
        assert [(one.user_id, one.entity_id) for one in seen] == [(user, "a"), (f"{user}-other", "a")]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"all_users": True}, "SERVER_KEY_REQUIRED"), ({"user_id": "somebody"}, "USER_FORBIDDEN")],
)
async def test_a_client_key_reads_its_own_user_alone(shared_server: Server, user: str, fields, reason: str):
    async with shared_server.client(user) as client:
        told = await refused(client.stream(**fields).read())
        assert (told.code, told.reason) == ("PERMISSION_DENIED", reason)
        assert (await client.pull("todo", user_id=user)).head_ms == 0
