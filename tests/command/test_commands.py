"""Every command, as its user runs it, and what it prints."""

import asyncio
import json
import re
import shlex
import shutil
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import jwt
import pytest

from harness import Client, Server, change, ids, make_project, outcomes, settings_for, started_server
from ports import free_address
from system.processes import Commands
from system.serving import FREE, refused, served
from waiting import until


@pytest.fixture
async def server(sqlite_url: str) -> AsyncIterator[Server]:
    """A server for commands that only call it; its database does not matter to them."""
    async with started_server(settings_for(sqlite_url)) as running:
        yield running


async def test_serve_on_an_empty_database_prints_keys_and_a_token_that_work(commands: Commands, database_url: str):
    async with served(commands, "--database", database_url) as (process, said):
        async with said.client() as client, Client(said.address, {"x-api-key": said.server_key}) as service:
            assert outcomes(await client.push(change(entity_id="a"), change(entity_id="b"))) == "aa"
            assert ids((await client.pull("todo")).changes) == ["a", "b"]
            assert [message.caught_up async for message in service.stream(all_users=True)] == [True]
        ended = await process.ended(signal.SIGTERM)
    assert ended.code == 0, str(ended)
    async with commands.running("serve", "--no-http", *FREE, "--database", database_url) as again:
        out = await again.wrote("start over")
    assert "sl_client_" not in out
    assert re.search(r"gRPC on +127\.0\.0\.1:[1-9]", out), out
    assert "Ctrl+C" in out


async def test_a_later_start_says_nothing_to_people_where_logs_are_for_programs(commands: Commands, sqlite_url: str):
    await make_project(settings_for(sqlite_url))
    options = ("--no-http", *FREE, "--database", sqlite_url, "--log-format", "json")
    async with commands.running("serve", *options) as process:
        await until(lambda: "serving gRPC" in process.err)
        assert (await process.ended(signal.SIGTERM)).out == ""


async def test_demo_prints_a_link_whose_key_and_token_are_good_for_a_day(commands: Commands, server: Server):
    database = ("--database", server.settings.database or "")
    ended = await commands.run("demo", "--user", "ada", "--url", "https://sync.example/", *database)
    assert ended.code == 0, str(ended)
    address, _, fragment = ended.out.strip().partition("#")
    assert address == "https://sync.example/demo"
    brought = dict(parse_qsl(fragment))
    async with Client(
        server.address, {"x-api-key": brought["key"], "authorization": f"Bearer {brought['token']}"}
    ) as client:
        assert outcomes(await client.push(change(entity_id="a"))) == "a"
    keys = await commands.run("key", "list", "default", "--json", *database)
    [key] = [one for one in map(json.loads, keys.out.splitlines()) if one["name"] == "demo"]
    assert key["kind"] == "client"
    assert key["state"].startswith("expires ")
    assert "127.0.0.1:8080/demo#key=" in (await commands.run("demo", *database)).out


async def test_a_project_made_while_it_serves_works_at_once(commands: Commands, database_url: str):
    database = ("--database", database_url)
    async with served(commands, *database) as (_, said):
        made = await commands.run("project", "create", "notes", "--json", *database)
        assert made.code == 0, str(made)
        keys: dict[str, str] = json.loads(made.out)
        assert keys.keys() == {"project", "client_key", "server_key"}
        assert keys["project"] == "notes"
        token, listed, taken = await asyncio.gather(
            commands.run("token", "--project", "notes", "--user", "ada", *database),
            commands.run("project", "list", *database),
            commands.run("project", "create", "notes", *database),
        )
        metadata = {"x-api-key": keys["client_key"], "authorization": f"Bearer {token.out.strip()}"}
        async with (
            Client(said.address, metadata) as client,
            Client(said.address, {"x-api-key": keys["server_key"]}) as service,
        ):
            assert outcomes(await client.push(change())) == "a"
            assert ids([one async for message in service.stream(all_users=True) for one in message.changes]) == ["e1"]
    assert listed.out.split() == ["default", "notes"]
    refused(taken, "notes", "already")


async def test_an_epoch_begun_by_hand_is_listed_and_harms_no_token(commands: Commands, database_url: str):
    database = ("--database", database_url)
    async with served(commands, *database) as (_, said), said.client() as client:
        await client.push(change())
        token = (await client.pull()).checkpoint_token
        begun = await commands.run("epoch", "new", *database)
        assert begun.out == "Epoch 3 has begun.\n", str(begun)
        assert (await client.pull(checkpoint_token=token)).checkpoint_token == token
        later = (await client.push(change(entity_id="e2"), checkpoint_token=token)).checkpoint_token
        assert ids((await client.pull(checkpoint_token=token)).changes) == ["e2"]
        assert not (await client.pull(checkpoint_token=later)).changes
        listed, as_json = await asyncio.gather(
            commands.run("epoch", "list", *database), commands.run("epoch", "list", "--json", *database)
        )
    assert [line.split()[0] for line in listed.out.splitlines()] == ["1", "2", "3"]
    epochs = [json.loads(line) for line in as_json.out.splitlines()]
    assert [one["cause"] for one in epochs] == [
        "made",
        "incarnation" if "postgres" in database_url else "start",
        "command",
    ]
    assert all(one["id"] > 0 and datetime.fromisoformat(one["started_at"]) for one in epochs)
    assert epochs[1]["incarnation"] == epochs[2]["incarnation"] != ""


async def test_token_prints_a_session_token_and_nothing_else(commands: Commands, sqlite_url: str):
    project = await make_project(settings_for(sqlite_url))
    limited, plain = await asyncio.gather(
        commands.run(
            *("token", "--database", sqlite_url, "--project", "default", "--user", "ada"),
            *("--device", "phone", "--ttl", "90s", "--scope", "sync todo"),
        ),
        commands.run("token", "--project", "default", "--user", "ada", SYNCLINE_DATABASE=sqlite_url),
    )
    assert limited.err == plain.err == ""
    claims = claims_of(limited.out, project.session_secret)
    assert (claims["sub"], claims["device_id"], claims["scope"]) == ("ada", "phone", "sync todo")
    assert claims["exp"] - claims["iat"] == 90
    claims = claims_of(plain.out, project.session_secret)
    assert claims.keys() == {"sub", "iat", "exp"}
    assert claims["exp"] - claims["iat"] == 3600


async def test_a_key_made_later_works_at_once_and_is_listed(commands: Commands, database_url: str):
    database = ("--database", database_url)
    async with served(commands, *database) as (_, said):
        server, client = await asyncio.gather(
            commands.run("key", "create", "default", "--kind", "server", "--json", *database),
            commands.run("key", "create", "default", "--kind", "client", *database),
        )
        made = json.loads(server.out)
        assert (made["project"], made["kind"]) == ("default", "server")
        bearer = {"authorization": f"Bearer {said.token}"}
        async with (
            Client(said.address, {"x-api-key": client.out.strip(), **bearer}) as ada,
            Client(said.address, {"x-api-key": made["key"]}) as service,
        ):
            assert outcomes(await ada.push(change())) == "a"
            assert ids([one async for message in service.stream(all_users=True) for one in message.changes]) == ["e1"]
        listed, as_json = await asyncio.gather(
            commands.run("key", "list", "default", *database),
            commands.run("key", "list", "default", "--json", *database),
        )
    keys = [json.loads(line) for line in as_json.out.splitlines()]
    assert [line.split()[0] for line in listed.out.splitlines()] == [key["id"] for key in keys]
    assert sorted(key["kind"] for key in keys) == ["client", "client", "server", "server"]
    assert {key["id"] for key in keys} == {
        text.split("_")[2] for text in (said.client_key, said.server_key, client.out, made["key"])
    }
    assert made["key"] not in as_json.out + listed.out


def claims_of(out: str, secret: str) -> dict[str, Any]:
    (token,) = out.splitlines()
    claims: dict[str, Any] = jwt.decode(token, secret, algorithms=["HS256"])
    return claims


async def test_tail_prints_one_json_object_a_line(commands: Commands, server: Server):
    async with server.client("ada") as ada, server.client("bob") as bob:
        await ada.push(change("create", "a", {"n": 2**53 + 1}), change("create", "b", entity_type="note"))
        await bob.push(change("create", "c", b'{"lines":\n1}'))
        noon = datetime.now(UTC)
        token = (await ada.pull()).checkpoint_token
        await ada.push(change("delete", "a"))
        of_ada = ("--api-key", server.project.client_key, "--token", server.project.token("ada"))
        of_all = ("--api-key", server.project.server_key, "--all-users")
        everything, notes, after_token, after_time, of_bob = await asyncio.gather(
            tailed(commands, server, *of_all),
            tailed(commands, server, *of_ada, "--entity-type", "note"),
            tailed(commands, server, *of_ada, "--from", token),
            tailed(commands, server, *of_all, "--from", noon.isoformat()),
            tailed(commands, server, "--api-key", server.project.server_key, "--user", "bob"),
        )
    assert [one["entity_id"] for one in everything] == ["b", "c", "a"]
    assert [one["action"] for one in everything] == ["create", "create", "delete"]
    assert [one["user_id"] for one in everything] == ["ada", "bob", "ada"]
    assert [one["revision"] for one in everything] == sorted(one["revision"] for one in everything)
    assert everything[1]["data"] == {"lines": 1}
    assert [one["entity_id"] for one in notes] == ["b"]
    assert [one["entity_id"] for one in after_token] == ["a"]
    assert [one["entity_id"] for one in after_time] == ["a"]
    assert [one["entity_id"] for one in of_bob] == ["c"]


async def test_tail_follow_goes_on(commands: Commands, server: Server):
    options = ("--api-key", server.project.server_key, "--all-users", "--follow")
    arguments = ("tail", "--grpc-address", server.address, *options)
    async with server.client() as client:
        await client.push(change("create", "before"))
        async with commands.running(*arguments) as process:
            await process.wrote('"before"')
            await client.push(change("create", "after"))
            lines = (await process.wrote('"after"')).splitlines()
            ended = await process.ended(signal.SIGINT)
    assert [json.loads(line)["entity_id"] for line in lines] == ["before", "after"]
    assert "Traceback" not in ended.err, str(ended)


async def tailed(commands: Commands, server: Server, *options: str) -> list[dict[str, Any]]:
    ended = await commands.run("tail", "--grpc-address", server.address, *options)
    assert ended.code == 0, str(ended)
    return [json.loads(line) for line in ended.out.splitlines()]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is what the text is for")
async def test_the_printed_curl_commands_work_when_pasted(commands: Commands):
    options = ("--data-dir", "data", "--http-address", free_address(), *FREE)
    async with commands.running("serve", *options) as process:
        out = await process.wrote("Pull it:")
        answers = [await pasted(line) for line in out.splitlines() if line.lstrip().startswith("curl ")]
        ended = await process.ended(signal.SIGTERM)
    assert ended.code == 0, str(ended)
    assert len(answers) == 2
    assert "Try Syncline" in answers[1], answers


async def pasted(line: str) -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *shlex.split(line), "-sS", "--fail-with-body", stdout=pipe, stderr=pipe
    )
    out, err = await process.communicate()
    assert process.returncode == 0, out + err
    return out.decode()
