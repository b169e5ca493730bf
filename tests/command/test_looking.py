"""A command that only reads takes what it is told, makes nothing, and says where it looked."""

import asyncio

import pytest

from harness import Server, change, make_project, settings_for, started_server
from system.processes import Commands
from system.serving import refused

READING = {
    "project list": (),
    "project secret": ("notes",),
    "key list": ("notes",),
    "token": ("--project", "notes", "--user", "ada"),
    "epoch list": (),
}
CHANGING = {"key create": ("notes", "--kind", "client"), "epoch new": ()}


@pytest.mark.parametrize("command", [*READING, *CHANGING])
async def test_where_there_is_no_database_none_is_made(commands: Commands, command: str):
    places = {
        (): "syncline-data",
        ("--data-dir", "elsewhere"): "elsewhere",
        ("--database", "sqlite:///elsewhere/syncline.db"): "elsewhere",
    }
    words = (*command.split(), *(READING | CHANGING)[command])
    for ended, folder in zip(
        await asyncio.gather(*(commands.run(*words, *place) for place in places)), places.values(), strict=True
    ):
        assert ended.code == 1
        path = commands.folder / folder / "syncline.db"
        refused(ended, f"there is no database at {path}", "--data-dir", "syncline serve")
        assert ended.err.count("\n") == 1
        assert ended.out == ""
    assert {path.suffix for path in commands.folder.iterdir()} == {".out", ".err"}


@pytest.mark.parametrize("command", READING)
async def test_a_database_of_another_version_is_left_as_it_is(commands: Commands, command: str):
    (commands.folder / "data").mkdir()
    file = commands.folder / "data/syncline.db"
    file.touch()
    ended = await commands.run(*command.split(), *READING[command], "--data-dir", "data")
    assert ended.code == 1
    refused(ended, "schema", "syncline migrate")
    assert file.read_bytes() == b""


@pytest.mark.parametrize("command", ["project secret", "key list", "token"])
async def test_a_project_that_is_not_there_is_named_with_the_database(
    commands: Commands, sqlite_url: str, command: str
):
    await make_project(settings_for(sqlite_url))
    ended = await commands.run(*command.split(), *READING[command], "--database", sqlite_url)
    assert ended.code == 1
    refused(ended, "notes", sqlite_url.removeprefix("sqlite:///"), "syncline project list")


async def test_no_option_comes_from_the_environment_unasked(commands: Commands, sqlite_url: str):
    """`SYNCLINE_FOLLOW`, set once for a script, must not keep another from ending."""
    async with started_server(settings_for(sqlite_url)) as server:
        await _push(server)
        tail = ("tail", "--api-key", server.project.server_key, "--all-users", "--grpc-address", server.address)
        surprises = {
            "FOLLOW": "1",
            "JSON": "1",
            "FROM": "end",
            "ENTITY_TYPE": "nothing",
            "USER": "bob",
            "TTL": "1s",
            "PROJECT": "other",
            "SCOPE": "sync",
            "ALL_USERS": "0",
        }
        environment = {f"SYNCLINE_{name}": value for name, value in surprises.items()}
        assert (await commands.run(*tail, **environment)).out == (await commands.run(*tail)).out != ""
        listed = await commands.run("epoch", "list", "--database", sqlite_url, **environment)
    assert not listed.out.startswith("{")


async def test_addresses_and_credentials_come_from_the_environment(commands: Commands, sqlite_url: str):
    async with started_server(settings_for(sqlite_url)) as server:
        await _push(server)
        ended = await commands.run(
            "tail",
            SYNCLINE_API_KEY=server.project.client_key,
            SYNCLINE_TOKEN=server.project.token("ada"),
            SYNCLINE_GRPC_ADDRESS=server.address,
        )
    assert '"entity_id": "e1"' in ended.out, str(ended)


async def test_tail_asks_whose_log_in_the_words_of_its_options(commands: Commands):
    ended = await commands.run("tail", "--api-key", "sl_server_x_y")
    assert ended.code == 2
    refused(ended, "--token", "--user", "--all-users")


async def _push(server: Server) -> None:
    async with server.client("ada") as ada:
        await ada.push(change())
