"""Secrets stay where they belong: in files of one owner, out of command lines, logs, and processes that need none."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ports import free_address
from syncline_command.parsing import Command
from syncline_command.table import ENTRIES
from system.processes import Commands
from system.serving import FREE, refused, served

PASSWORD = "hunter2"
URLS = [
    f"postgresql://u:{PASSWORD}@127.0.0.1:1/db",
    f"postgresql://127.0.0.1:1/db?user=u&password={PASSWORD}",
    f"postgresql://u@127.0.0.1:1/db?passfile={PASSWORD}&ssl=prefer",
    f"postgresql://u:{PASSWORD}@127.0.0.1:port/db",
    f"postgresql://u:{PASSWORD}@[::1/db",
    f"mysql://u:{PASSWORD}@127.0.0.1/db",
    f"{PASSWORD}",
]
README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("url", URLS)
async def test_a_password_in_a_database_url_is_never_shown(commands: Commands, url: str):
    for arguments in (("migrate",), ("project", "list")):
        ended = await commands.run(*arguments, SYNCLINE_DATABASE=url)
        refused(ended)
        assert PASSWORD not in ended.out + ended.err


@pytest.mark.parametrize("part", ["syncline.db", "syncline.db-wal"])
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o700])
async def test_a_database_that_other_accounts_can_open_is_not_served(commands: Commands, part: str, mode: int):
    folder = commands.folder / "data"
    folder.mkdir()
    database = folder / "syncline.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE t (a)")
    database.chmod(0o600)
    (folder / part).touch()
    (folder / part).chmod(mode)
    ended = await commands.run("server", "--data-dir", str(folder), *FREE)
    refused(ended, f"chmod 600 {folder / part}")
    assert (folder / part).stat().st_mode & 0o777 == mode


async def test_what_a_server_makes_is_for_its_owner_alone(commands: Commands):
    umask = os.umask(0)
    try:
        async with served(commands, "--data-dir", "data"):
            modes = {file.name: file.stat().st_mode & 0o077 for file in (commands.folder / "data").iterdir()}
    finally:
        os.umask(umask)
    assert modes == dict.fromkeys(modes, 0)
    assert {"syncline.db", "syncline.db-wal", "syncline.db-shm"} <= set(modes)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at processes in /proc")
async def test_the_bridge_knows_nothing_of_the_database(commands: Commands):
    hidden = {
        "SYNCLINE_DATABASE": f"sqlite:///{commands.folder / 'known.db'}",
        "SYNCLINE_API_KEY": "sl_server_x",
        "PGPASSWORD": PASSWORD,
        "PGPASSFILE": "pass",
        "MY_DATABASE_URL": PASSWORD,
    }
    shown = {"SYNCLINE_MAX_BODY_BYTES": "1000", "TZ": "UTC"}
    options = ("serve", *FREE, "--http-address", free_address())
    async with commands.running(*options, **hidden, **shown) as process:
        await process.wrote("Pull it:")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        environment = Path(f"/proc/{children[0]}/environ").read_text().split("\0")
        arguments = Path(f"/proc/{children[0]}/cmdline").read_text()
    names = {variable.partition("=")[0] for variable in environment}
    assert not names & set(hidden)
    assert set(shown) <= names
    assert not [one for one in (*environment, arguments) if PASSWORD in one or "known.db" in one]


@pytest.mark.parametrize("way", ["file", "variable", "file in a variable"])
async def test_a_key_need_not_be_on_a_command_line(commands: Commands, way: str):
    async with served(commands) as (_, said):
        (commands.folder / "key").write_text(f"{said.server_key}\n")
        options = ("--api-key-file", "key") if way == "file" else ()
        variables = {"variable": {"SYNCLINE_API_KEY": said.server_key}, "file": {}}.get(
            way, {"SYNCLINE_API_KEY_FILE": "key"}
        )
        ended = await commands.run("tail", "--all-users", "--grpc-address", said.address, *options, **variables)
        assert ended.code == 0, str(ended)


async def test_a_key_file_that_cannot_be_read_is_named(commands: Commands):
    ended = await commands.run("tail", "--all-users", "--api-key-file", "nowhere")
    assert (ended.code, "nowhere" in ended.err) == (2, True)


def examples() -> Iterator[str]:
    for entry in ENTRIES.values():
        found = entry.load()
        for command in [found] if isinstance(found, Command) else found.values():
            yield from command.examples
    yield from README.read_text().splitlines()


def test_no_example_puts_a_secret_on_a_command_line():
    risky = (
        "--api-key $",
        '--api-key "$',
        "--token $",
        '-H "X-Api-Key',
        '-H "x-api-key',
        '-H "x-client-id',
        "Bearer $",
    )
    assert not [line for line in examples() if any(word in line for word in risky)]


@pytest.mark.parametrize("log_format", ["console", "json"])
async def test_nothing_that_a_client_sends_writes_to_the_terminal(commands: Commands, log_format: str):
    address = free_address()
    options = ("--http-address", address, "--log-format", log_format, "--log-level", "debug")
    paths = ["/%0a2026-11-25T23:59:59Z rotated", "/x%1b[2J%1b[31mred", "/%E2%80%AEabc", "/%C2%9b31m", "/%00", "/%7f"]
    async with commands.running("bridge", *options) as process:
        await process.listens(address)
        for path in (*paths, "/last"):
            host, port = address.split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            sent = f"GET {path.replace(' ', '%20')} HTTP/1.1\r\nHost: x\r\nOrigin: {path}\r\nConnection: close\r\n\r\n"
            writer.write(sent.encode())
            await reader.read()
            writer.close()
        ended = await process.ended(signal.SIGTERM)
    assert "/last" in ended.err
    assert all(line.isprintable() for line in ended.err.splitlines()), ended.err
    assert not [line for line in ended.err.splitlines() if line.startswith("2026-11-25T23:59:59Z")]
