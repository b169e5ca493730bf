"""What a command cannot do it says in a sentence, and changes nothing."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from harness import make_project, settings_for
from ports import free_address
from storage import run_sql, url_of
from system.processes import Commands, Ended
from system.serving import FREE, refused, served


async def test_what_cannot_be_done_is_said_in_a_sentence(commands: Commands, sqlite_url: str):
    await make_project(settings_for(sqlite_url))
    token = ("token", "--database", sqlite_url, "--user", "ada")
    cases = {
        (*token, "--project", "default", "--ttl", "soon"): ("--ttl", "soon"),
        (*token, "--project", "default", "--ttl", "0s"): ("--ttl",),
        (*token, "--project", "default", "--ttl", "h"): ("--ttl",),
        (*token, "--project", "nowhere"): ("nowhere", "syncline project list"),
        ("token", "--user", "ada"): ("--project",),
        ("project", "create", "no/slash", "--database", sqlite_url): ("name",),
        ("server", "--database", "mysql://localhost/x", *FREE): ("postgresql://", "sqlite:///"),
        ("server", "--database", "postgresql://syncline@127.0.0.1:1/syncline", *FREE): ("database",),
        ("project", "list", "--database", "postgresql://syncline@127.0.0.1:1/syncline"): ("database",),
        ("migrate", "--database", "postgresql://syncline@127.0.0.1:1/syncline"): ("database",),
        ("tail", "--api-key", "x", "--all-users", "--grpc-address", "127.0.0.1:1"): ("UNAVAILABLE",),
    }
    limit = asyncio.Semaphore(4)

    async def run(arguments: tuple[str, ...]) -> Ended:
        async with limit:
            return await commands.run(*arguments)

    ended = await asyncio.gather(*map(run, cases))
    for words, one in zip(cases.values(), ended, strict=True):
        refused(one, *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--data-dir", "a-file", *FREE), "a-file"),
        (("--database", "sqlite:///a-file", *FREE), "a-file"),
        (("--data-dir", "data", "--grpc-address", "127.0.0.1:99999"), "99999"),
    ],
)
async def test_a_server_that_cannot_start_says_why(commands: Commands, options: tuple[str, ...], words: str):
    (commands.folder / "a-file").write_text("not a database, and longer than its header would be: " * 10)
    async with commands.running("server", *options) as process, asyncio.timeout(15):
        refused(await process.ended(), words)


async def test_a_second_server_on_a_sqlite_database_is_refused(commands: Commands, sqlite_url: str):
    async with served(commands, "--database", sqlite_url):
        ended = await commands.run("server", "--database", sqlite_url, *FREE)
    assert ended.code == 1
    refused(ended, "another Syncline server", "SQLite", "PostgreSQL")


async def test_a_port_in_use_is_said_and_not_shared(commands: Commands, sqlite_url: str, tmp_path: Path):
    async with served(commands, "--database", sqlite_url) as (_, said):
        other = f"sqlite:///{tmp_path / 'other.db'}"
        ended = await commands.run("server", "--database", other, "--grpc-address", said.address)
    assert ended.code == 1
    refused(ended, said.address, "in use")


async def test_postgresql_is_migrated_by_its_command_alone(commands: Commands, postgres: Any):
    name = f"t{uuid.uuid4().hex[:16]}"
    await run_sql(postgres, f"CREATE DATABASE {name}")
    database = ("--database", url_of(postgres, name))
    try:
        for command in (("serve", "--no-http", *FREE), ("project", "create", "x")):
            ended = await commands.run(*command, *database)
            assert ended.code == 1
            refused(ended, "syncline migrate")
        first = await commands.run("migrate", *database)
        second = await commands.run("migrate", *database)
        assert (first.code, second.code) == (0, 0), f"{first}\n{second}"
        assert first.out == second.out != ""
        address = free_address()
        async with commands.running("server", "--grpc-address", address, *database) as process:
            await process.ready(address)
            # Beside a server that runs, too.
            assert (await commands.run("migrate", *database)).out == first.out
    finally:
        await run_sql(postgres, f"DROP DATABASE {name} WITH (FORCE)")
