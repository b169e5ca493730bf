"""Projects are renamed, disabled and deleted beside a server; who did so is in the audit."""

import json
from collections.abc import AsyncIterator

import pytest

from command.test_rotation import id_of, is_let_in, run, until_refused
from harness import Server, change, ids, make_project, settings_for, started_server
from harness import refused as refusal
from syncline.v1 import sync_pb2
from syncline_server.store.database import database
from syncline_server.store.deletion import _LARGE
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.opening import existing_engines
from syncline_server.store.tables import metadata
from system.processes import Commands
from system.serving import refused
from waiting import until

SOON = 40


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for what was withdrawn or deleted at once."""
    monkeypatch.setattr("syncline_server.identity.withdrawals.LOOK_SECONDS", 0.1)
    monkeypatch.setattr("syncline_server.operate.deletion._LOOK_SECONDS", 0.1)
    for module in ("key_cache", "authenticator"):
        monkeypatch.setattr(f"syncline_server.identity.{module}.CACHE_SECONDS", 0.1)


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[Server]:
    settings = settings_for(database_url)
    async with started_server(settings, await make_project(settings, "notes")) as running:
        yield running


async def fails(commands: Commands, server: Server, *arguments: str, words: tuple[str, ...]) -> None:
    refused(await commands.run(*arguments, "--database", str(server.settings.database)), *words)


async def test_a_disabled_project_is_refused_until_it_is_enabled(commands: Commands, server: Server):
    async with server.client() as client:
        stream = client.stream("todo", follow=True)
        await stream.read()
        assert "refused" in await run(commands, server, "project", "disable", "notes")

        async def ended() -> None:
            while True:
                await stream.read()

        told = await refusal(ended())
        assert (told.code, told.reason) == ("PERMISSION_DENIED", "PROJECT_DISABLED")
        await until_refused(client, "PROJECT_DISABLED")
        assert await run(commands, server, "project", "list") == "notes  disabled\n"
        await run(commands, server, "project", "enable", "notes")
        await until(lambda: is_let_in(client), within_seconds=SOON)


async def test_a_renamed_project_keeps_its_keys(commands: Commands, server: Server):
    await run(commands, server, "project", "create", "other")
    await fails(commands, server, "project", "rename", "notes", "other", words=("project other", "already"))
    await fails(commands, server, "project", "rename", "notes", "two words", words=("name", "letters"))
    await run(commands, server, "project", "rename", "notes", "notebook")
    async with server.client() as client:
        await client.push(change())
    assert (await run(commands, server, "project", "list")).split() == ["notebook", "other"]


async def test_a_deleted_project_tells_its_followers_and_then_is_gone(commands: Commands, server: Server):
    async with server.client("ada") as ada, server.client("bob") as bob, server.service() as service:
        for client in (ada, bob):
            await client.push(*[change(entity_id=f"e{number}") for number in range(3)])
        stream = service.stream(all_users=True, follow=True)
        assert len((await stream.read()).changes) == 6
        await run(commands, server, "project", "delete", "notes", "--confirm", "notes", "--grace-hours", "1")
        deleted: list[sync_pb2.Change] = []
        while len(deleted) < 6:
            deleted += (await stream.read()).changes
        assert {one.action for one in deleted} == {sync_pb2.ACTION_DELETE}
        assert (await refusal(_until_it_fails(ada))).reason == "PROJECT_DISABLED"
        assert ids((await ada.pull("todo")).changes) == ["e0", "e1", "e2"]
        for act in (("disable", "notes"), ("rename", "notes", "other")):
            await fails(commands, server, "project", *act, words=("being deleted",))
        stream.cancel()
    assert await run(commands, server, "project", "list") == "notes  deleting\n"


async def _until_it_fails(client: object) -> None:
    while True:
        await client.push(change(entity_id="late"))  # type: ignore[attr-defined]


async def test_of_a_deleted_project_no_row_is_left_and_others_keep_theirs(commands: Commands, database_url: str):
    settings = settings_for(database_url)
    notes, other = await make_project(settings, "notes"), await make_project(settings, "other")
    async with started_server(settings, notes) as server:
        kept = Server(server.address, other, settings)
        for each in (server, kept):
            async with each.client("ada", device="phone") as ada:
                answer = await ada.push(change(), push_id="p1")
                await ada.pull("todo", checkpoint_token=answer.checkpoint_token)
        await run(commands, server, "project", "delete", "notes", "--confirm", "notes", "--grace-hours", "0")

        async def is_gone() -> bool:
            return await run(commands, server, "project", "list") == "other\n"

        await until(is_gone, within_seconds=SOON, look_seconds=0.3)
        async with kept.client("ada") as ada:
            assert ids((await ada.pull("todo")).changes) == ["e1"]
    tables = [table.name for table in metadata.sorted_tables if "project_id" in table.c]
    assert set(_LARGE) < set(tables)
    async with existing_engines(database(database_url, settings.data_dir)) as engines:
        looked_at = EngineCatalogue(engines)
        for table in tables:
            assert len(await looked_at.rows(f"SELECT DISTINCT project_id FROM {table}")) <= 1, table
        assert len(await looked_at.rows("SELECT 1 FROM entities")) == 1


async def test_a_project_is_deleted_only_when_it_is_named_twice(commands: Commands, server: Server):
    await fails(commands, server, "project", "delete", "notes", "--confirm", "note", words=("--confirm",))
    await fails(commands, server, "project", "delete", "notes", words=("--confirm",))
    assert await run(commands, server, "project", "list") == "notes\n"


async def test_keys_makes_more_keys_and_shows_none_that_there_was(commands: Commands, server: Server):
    made: dict[str, str] = json.loads(await run(commands, server, "project", "keys", "notes", "--json"))
    assert made.keys() == {"project", "client_key", "server_key"}
    assert server.project.client_key not in made.values()
    for key in (made["server_key"], server.project.server_key):
        async with Server(server.address, server.project, server.settings).service(**{"x-api-key": key}) as service:
            await service.push(change(entity_id=id_of(key)), user_id="ada")


async def test_operators_are_made_listed_and_revoked_and_all_acts_are_in_the_audit(commands: Commands, server: Server):
    key = json.loads(await run(commands, server, "operator", "create", "eve", "--role", "viewer", "--json"))
    assert key["key"].startswith(f"sl_operator_{key['id']}_")
    await run(commands, server, "operator", "revoke", key["id"])
    await fails(commands, server, "operator", "revoke", key["id"], words=("no operator", "syncline operator list"))
    (one,) = map(json.loads, (await run(commands, server, "operator", "list", "--json")).splitlines())
    assert (one["name"], one["role"]) == ("eve", "viewer")
    assert one["state"].startswith("revoked 20")
    await run(commands, server, "epoch", "new")
    await run(commands, server, "key", "rotate-checkpoint")
    acts = [json.loads(line) for line in (await run(commands, server, "audit", "--json")).splitlines()]
    names = [act["act"] for act in acts]
    assert names == ["checkpoint-key.rotate", "epoch.begin", "operator.revoke", "operator.create", "project.create"]
    assert all(act["by"].startswith("command:") for act in acts[:4])
    assert acts[3]["subject"] == key["id"]
    assert key["key"] not in json.dumps(acts)
    of_project = (await run(commands, server, "audit", "--project", "notes")).splitlines()
    assert len(of_project) == 1
    assert "project.create" in of_project[0]
