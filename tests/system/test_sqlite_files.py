"""What operators do to the file of a SQLite database ends in a sentence, and never in a server that goes on."""

import os
import shutil
import signal
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from grpc import aio

from harness import Client, change, failure, ids, outcomes
from ports import free_address
from system.processes import Commands, Process
from system.serving import FREE, refused, served

CHANGES = 60


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "syncline.db"


@pytest.fixture
def served_file(file: Path) -> str:
    return f"sqlite:///{file}"


@asynccontextmanager
async def started(commands: Commands, database: str, address: str = "") -> AsyncIterator[Process]:
    address = address or free_address()
    async with commands.running("server", "--database", database, "--grpc-address", address) as process:
        await process.ready(address)
        yield process


def copied(file: Path, name: str) -> Path:
    """Return a copy as one read transaction makes it: whole."""
    target = file.with_name(name)
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy, pages=-1)
    target.chmod(0o600)
    return target


async def fill(client: Client, prefix: str, count: int = CHANGES) -> None:
    for at in range(count):
        made = [change("create", f"{prefix}{at}-{n}", {"text": os.urandom(300).hex()}) for n in range(20)]
        await client.push(*made)


async def crashed_and_copied_over(commands: Commands, database: str, file: Path) -> None:
    """Leave the WAL of a server that was killed beside a copy from before."""
    async with served(commands, "--database", database) as (process, said), said.client() as client:
        await fill(client, "a", 5)
        copy = copied(file, "copy.db")
        await fill(client, "b")
        await process.kill()
    shutil.copy(copy, file)
    assert Path(f"{file}-wal").stat().st_size > 0


async def test_a_copy_beside_the_wal_of_a_crash_is_refused_by_every_command_and_served_without_it(
    commands: Commands, file: Path, served_file: str
):
    await crashed_and_copied_over(commands, served_file, file)
    database = ("--database", served_file)
    for command in (("server", *FREE), ("serve", "--no-http", *FREE), ("project", "create", "x"), ("epoch", "list")):
        ended = await commands.run(*command, *database)
        assert ended.code == 1
        refused(ended, "damaged", "syncline.db-wal", "syncline.db-shm", "remove")
        assert Path(f"{file}-wal").stat().st_size > 0, "what is refused is left as it is"
    shutil.copy(file.with_name("copy.db"), file)
    for name in ("-wal", "-shm"):
        Path(f"{file}{name}").unlink(missing_ok=True)
    async with started(commands, served_file):
        pass


async def test_a_crash_alone_is_no_damage(commands: Commands, file: Path, served_file: str):
    async with served(commands, "--database", served_file) as (process, said), said.client() as client:
        await fill(client, "a", 30)
        await process.kill()
    assert Path(f"{file}-wal").stat().st_size > 0
    async with started(commands, served_file) as process:
        assert "sound" in process.err + process.out


@pytest.mark.parametrize("how", ["replaced", "moved away", "deleted"])
async def test_a_file_replaced_under_a_server_ends_it_and_nothing_more_is_acknowledged(
    commands: Commands, file: Path, served_file: str, how: str
):
    async with served(commands, "--database", served_file) as (process, said), said.client() as client:
        await fill(client, "a", 2)
        copy = copied(file, "copy.db")
        if how == "replaced":
            os.replace(copy, file)
        elif how == "moved away":
            os.replace(file, file.with_name("elsewhere.db"))
        else:
            file.unlink()
        try:
            told = outcomes(await client.push(change("create", "lost")))
        except aio.AioRpcError as error:
            told = failure(error).reason if error.trailing_metadata() else error.code().name
        assert told in {"STORE_UNAVAILABLE", "DRAINING", "UNAVAILABLE"}
        ended = await process.ended()
    assert ended.code == 1
    refused(ended, "syncline.db", "moved or replaced", "syncline.db-wal")
    if how == "moved away":
        os.replace(file.with_name("elsewhere.db"), file)
        async with started(commands, served_file, said.address), said.client() as client:
            assert len(ids(await client.pull_all("todo"))) == 2 * 20


async def test_a_file_replaced_under_a_server_is_served_whole_after_it(
    commands: Commands, file: Path, served_file: str
):
    async with served(commands, "--database", served_file) as (process, said), said.client() as client:
        await fill(client, "a", 1)
        copy = copied(file, "copy.db")
        await fill(client, "b", 2)
        os.replace(copy, file)
        await process.ended()
    assert Path(f"{file}-wal.replaced").exists(), "nothing is thrown away"
    async with started(commands, served_file, said.address) as process:
        async with said.client() as client:
            assert len(ids(await client.pull_all("todo"))) == 20
            await client.push(change("create", "after"))
        await process.ended(signal.SIGTERM)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_a_second_server_through_a_link_is_refused(commands: Commands, file: Path, served_file: str):
    async with served(commands, "--database", served_file):
        links = file.parent.parent / "links"
        links.mkdir()
        (links / "other.db").symlink_to(file)
        (links / "folder").symlink_to(file.parent)
        for path in (links / "other.db", links / "folder" / "syncline.db"):
            refused(await commands.run("server", "--database", f"sqlite:///{path}", *FREE), "another Syncline server")
        os.link(file, links / "hard.db")
        refused(await commands.run("server", "--database", f"sqlite:///{links / 'hard.db'}", *FREE), "hard link")


async def test_the_database_is_for_its_owner_alone(commands: Commands, file: Path, served_file: str):
    before = os.umask(0o022)
    try:
        async with served(commands, "--database", served_file):
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in file.parent.iterdir()}
    finally:
        os.umask(before)
    assert {"syncline.db", "syncline.db-wal", "syncline.owner"} <= set(modes)
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
