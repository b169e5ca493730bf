"""Keys and session secrets are made, rotated and ended beside a server, which goes on with those in force."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import aio

from harness import Client, Project, Server, change, ids, make_project, settings_for, started_server
from harness import refused as refusal
from syncline_server.identity.key_use import KeyUse
from syncline_server.identity.session_tokens import issue_token
from syncline_server.store.database import database
from syncline_server.store.opening import existing_engines
from syncline_server.store.registry import SqlRegistry
from system.processes import Commands
from system.serving import refused
from waiting import until

SOON = 40


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for what was withdrawn at once, not within half a minute."""
    monkeypatch.setattr("syncline_server.identity.withdrawals.LOOK_SECONDS", 0.1)
    for module in ("key_cache", "authenticator"):
        monkeypatch.setattr(f"syncline_server.identity.{module}.CACHE_SECONDS", 0.1)


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[Server]:
    settings = settings_for(database_url)
    async with started_server(settings, await make_project(settings, "notes")) as running:
        yield running


def user_of(server: Server, key: str, secret: str = "") -> Client:
    token = issue_token(secret or server.project.session_secret, "ada", ttl_seconds=3600)
    return Client(server.address, {"x-api-key": key, "authorization": f"Bearer {token}"})


async def is_let_in(client: Client) -> bool:
    try:
        await client.pull("todo")
    except Exception:
        return False
    return True


async def until_refused(client: Client, reason: str) -> None:
    async def is_refused() -> bool:
        return not await is_let_in(client)

    await until(is_refused, within_seconds=SOON)
    assert (await refusal(client.pull("todo"))).reason == reason


async def run(commands: Commands, server: Server, *arguments: str) -> str:
    ended = await commands.run(*arguments, "--database", str(server.settings.database))
    assert ended.code == 0, str(ended)
    return ended.out


async def keys_of(commands: Commands, server: Server) -> dict[str, dict[str, str | None]]:
    lines = (await run(commands, server, "key", "list", "notes", "--json")).splitlines()
    return {key["id"]: key for key in map(json.loads, lines)}


def id_of(key: str) -> str:
    return key.split("_")[2]


async def test_a_revoked_key_is_refused_and_its_streams_end(commands: Commands, server: Server):
    project: Project = server.project
    async with user_of(server, project.client_key) as client:
        stream = client.stream("todo", follow=True)
        await stream.read()
        out = await run(commands, server, "key", "revoke", "notes", id_of(project.client_key))
        assert "is revoked" in out
        told = await refusal(_rest_of(stream))
        assert (told.code, told.reason) == ("UNAUTHENTICATED", "KEY_INVALID")
        await until_refused(client, "KEY_INVALID")
    state = (await keys_of(commands, server))[id_of(project.client_key)]["state"]
    assert str(state).startswith("revoked 20")
    again = await commands.run(
        "key", "revoke", "notes", id_of(project.client_key), "--database", str(server.settings.database)
    )
    refused(again, "no key", "that is in force", "syncline key list")


async def _rest_of(stream: Any) -> None:
    while await stream.read() is not aio.EOF:
        pass


async def test_a_rotated_key_is_good_for_an_overlap(commands: Commands, server: Server):
    old = server.project.server_key
    new = (await run(commands, server, "key", "rotate", "notes", id_of(old), "--overlap-hours", "1")).strip()
    assert new.startswith("sl_server_")
    for key in (old, new):
        async with Client(server.address, {"x-api-key": key}) as client:
            await client.push(change("create", id_of(key)), user_id="ada")
    keys = await keys_of(commands, server)
    assert str(keys[id_of(old)]["state"]).startswith("expires 20")
    assert keys[id_of(new)]["state"] == "in force"


async def test_a_rotated_key_without_an_overlap_ends_at_once(commands: Commands, server: Server):
    old = server.project.server_key
    async with Client(server.address, {"x-api-key": old}) as client:
        await client.push(change(), user_id="ada")
        await run(commands, server, "key", "rotate", "notes", id_of(old), "--overlap-hours", "0")

        async def is_refused() -> bool:
            try:
                await client.push(change(), user_id="ada")
            except Exception:
                return True
            return False

        await until(is_refused, within_seconds=SOON)


async def test_a_key_has_a_name_and_an_end(commands: Commands, server: Server):
    out = await run(
        commands, server, "key", "create", "notes", "--kind", "client", "--name", "kiosk", "--days", "30", "--json"
    )
    key = (await keys_of(commands, server))[json.loads(out)["id"]]
    assert key["name"] == "kiosk"
    assert str(key["state"]).startswith("expires 20")
    ended = await commands.run(
        *("key", "create", "notes", "--kind", "client", "--name", "two words"),
        *("--database", str(server.settings.database)),
    )
    refused(ended, "name", "letters, digits")


async def test_a_new_session_secret_signs_while_those_before_verify_until_they_are_retired(
    commands: Commands, server: Server
):
    key, old = server.project.client_key, server.project.session_secret
    new = (await run(commands, server, "project", "new-secret", "notes")).strip()
    assert (await run(commands, server, "project", "secret", "notes")).strip() == new
    async with user_of(server, key, old) as before, user_of(server, key, new) as after:
        await before.push(change("create", "a"))

        async def knows_the_new_one() -> bool:
            return await is_let_in(after)

        await until(knows_the_new_one, within_seconds=SOON)
        assert ids((await after.pull("todo")).changes) == ["a"]
        assert "1 session secrets are retired" in await run(commands, server, "project", "retire-secrets", "notes")
        await until_refused(before, "SESSION_INVALID")
        assert await is_let_in(after)


async def test_devices_are_bound_and_freed_beside_a_server(commands: Commands, server: Server):
    project = server.project
    token = issue_token(project.session_secret, "ada", ttl_seconds=3600)
    metadata = {"x-api-key": project.client_key, "authorization": f"Bearer {token}", "x-device-id": "phone"}
    async with Client(server.address, metadata) as unbound:
        assert await is_let_in(unbound)
        assert "no device but" in await run(commands, server, "project", "bind-devices", "notes")
        await until_refused(unbound, "REQUEST_INVALID")
        assert "any device" in await run(commands, server, "project", "bind-devices", "notes", "--off")
        await until(lambda: is_let_in(unbound), within_seconds=SOON)


async def test_the_last_day_of_use_is_kept(commands: Commands, server: Server):
    key = id_of(server.project.client_key)
    assert (await keys_of(commands, server))[key]["last_used"] is None
    where = database(server.settings.database, server.settings.data_dir)
    async with existing_engines(where) as engines:
        use = KeyUse(SqlRegistry(engines))
        use.note(key)
        await use.store()
    assert (await keys_of(commands, server))[key]["last_used"] == datetime.now(UTC).date().isoformat()
