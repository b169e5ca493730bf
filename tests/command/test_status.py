"""What a running server says of itself, to commands on its machine and elsewhere."""

import json
from pathlib import Path

from harness import change, make_project, opened_engines, settings_for, started_server
from syncline_server.app import running_server
from syncline_server.identity.operators import Role
from syncline_server.operate import operators
from syncline_server.store.operators import SqlOperators
from system.processes import Commands
from system.serving import refused


async def test_status_asks_the_server_that_is_alive_and_else_the_database(commands: Commands, sqlite_url: str):
    settings = settings_for(sqlite_url)
    async with started_server(settings) as server:
        async with server.client() as client:
            for number in range(3):
                await client.push(change(entity_id=f"e{number}"))
        asked = await commands.run("status", "--database", sqlite_url)
        as_json = await commands.run("status", "--json", "--database", sqlite_url)
    assert asked.code == 0, str(asked)
    assert "ready             yes" in asked.out
    facts = json.loads(as_json.out)
    assert (facts["ready"], facts["projects"], facts["streams"], facts["writes"]) == (True, 1, 0, "ok")
    assert 0 < facts["commit_median_ms"] <= facts["commit_p99_ms"]
    without = await commands.run("status", "--json", "--database", sqlite_url)
    assert without.code == 0, str(without)
    facts = json.loads(without.out)
    assert (facts["server"], facts["ready"], facts["projects"]) == ("none on this machine", None, 1)


async def test_status_of_a_server_elsewhere_takes_a_key_of_an_operator(
    commands: Commands, postgres_url: str, tmp_path: Path
):
    settings = settings_for(postgres_url, admin_address="127.0.0.1:0")
    await make_project(settings)
    async with opened_engines(settings) as engines:
        key = (await operators.create(SqlOperators(engines, "test"), "eve", Role.VIEWER)).text
    (tmp_path / "key").write_text(key)
    async with running_server(settings) as running:
        address = ("--admin-address", str(running.admin_address))
        told = await commands.run("status", *address, "--operator-key-file", str(tmp_path / "key"), "--json")
        wrong = await commands.run("status", *address, SYNCLINE_OPERATOR_KEY=f"{key}x")
    assert json.loads(told.out)["database"].startswith("postgresql://"), str(told)
    refused(wrong, "authorization", "operator")
    refused(await commands.run("status", *address), "--operator-key")
    clear = ("--admin-address", "sync.example:1", "--operator-key", key)
    refused(await commands.run("status", *clear), "in the clear", "--grpc-tls-ca")
    refused(await commands.run("status", *address, "--operator-key", key), "cannot be reached")


async def test_settings_are_those_in_force_with_their_origin(commands: Commands, sqlite_url: str):
    async with started_server(settings_for(sqlite_url, max_push_changes=7)):
        asked = await commands.run("settings", "--changed", "--database", sqlite_url, SYNCLINE_MAX_USER_TYPES="9")
    assert "SYNCLINE_MAX_PUSH_CHANGES=7  (option)" in asked.out.splitlines()
    assert "SYNCLINE_MAX_USER_TYPES" not in asked.out
    url = "postgresql://ada:secret@db.example/app"
    here = await commands.run("settings", "--json", "--database", url, SYNCLINE_MAX_USER_TYPES="9")
    rows = {one["name"]: one for one in map(json.loads, here.out.splitlines())}
    assert rows["SYNCLINE_MAX_USER_TYPES"] == {"name": "SYNCLINE_MAX_USER_TYPES", "value": "9", "origin": "environment"}
    assert rows["SYNCLINE_MAX_PUSH_CHANGES"]["origin"] == "default"
    assert rows["SYNCLINE_DATABASE"]["value"] == "postgresql://ada:***@db.example/app"
    assert "secret" not in here.out


async def test_lag_names_the_devices_that_are_behind(commands: Commands, database_url: str):
    async with started_server(settings_for(database_url)) as server:
        for device in ("phone", "laptop"):
            async with server.client("ada", device=device) as client:
                page = await client.pull("todo")
                pushed = await client.push(change(entity_id=device), checkpoint_token=page.checkpoint_token)
                await client.pull(checkpoint_token=pushed.checkpoint_token)
        shown = await commands.run("lag", "default", "--database", database_url)
        as_json = await commands.run("lag", "default", "--json", "--most", "1", "--database", database_url)
    assert shown.out.splitlines()[-1].endswith("positions are behind."), str(shown)
    (row,) = map(json.loads, as_json.out.splitlines())
    assert (row["user"], row["lag_seconds"] > 0) == ("ada", True)
