"""README.md says what is so: its examples run, its tables are those of the code."""

import asyncio
import json
import os
import re
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from ports import free_address
from syncline_bridge.settings import BridgeSettings
from syncline_command.parsing import Command
from syncline_command.table import ENTRIES
from syncline_server.settings import ServerSettings
from system.processes import Commands, commands_in
from waiting import until

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| (`syncline.*?) \|", re.MULTILINE)
NOT_RUN = ("git clone", "export CLIENT_KEY", "syncline migrate --database")
"""Begins of the blocks that install, or have placeholders."""
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Block:
    """An example."""

    language: str
    text: str

    def begins(self, *words: str) -> bool:
        return self.text.startswith(words)


BLOCKS = [Block(*found) for found in BLOCK.findall(README)]


def block(words: str) -> Block:
    """Return the one block with these words."""
    (found,) = (each for each in BLOCKS if words in each.text)
    return found


@dataclass(frozen=True)
class Reader:
    """Somebody who has done what `Start` says and goes on reading."""

    commands: Commands
    environment: dict[str, str]
    addresses: dict[str, str]
    """What the README says, and where it is here."""

    async def start(self, example: Block) -> Process:
        """Run an example."""
        text = example.text
        for printed, here in self.addresses.items():
            text = text.replace(printed, here)
        command = ("bash", "-euc", text) if example.language == "sh" else (sys.executable, "-c", text)
        return await asyncio.create_subprocess_exec(
            *command, cwd=self.commands.folder, env=self.environment, stdout=PIPE, stderr=PIPE
        )

    async def run(self, example: Block) -> str:
        """Run an example to its end; returns its output."""
        process = await self.start(example)
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, err.decode()
        return out.decode()


@pytest.fixture(scope="module")
async def reader(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reader]:
    """A reader with `syncline serve` on free ports; keys and token are exported as it has printed them."""
    commands = commands_in(tmp_path_factory.mktemp("readme"))
    grpc, http = free_address(), free_address()
    arguments = ("--grpc-address", grpc, "--http-address", http)
    async with commands.running("serve", *arguments) as server:
        printed = await server.wrote("Pull it:")
        names = {"CLIENT_KEY": "client key", "SERVER_KEY": "server key", "TOKEN": "session token"}
        exported = {name: _printed(printed, label) for name, label in names.items()}
        path = f"{BIN}:{os.environ['PATH']}"
        environment = {**commands.environment, **exported, "PATH": path, "SYNCLINE_GRPC_ADDRESS": grpc}
        yield Reader(commands, environment, {"127.0.0.1:50051": grpc, "127.0.0.1:8080": http})


def _printed(text: str, label: str) -> str:
    found = re.search(rf"{label}\s+(\S+)", text)
    assert found, text
    return found[1]


async def test_the_examples_do_what_the_text_before_them_says(reader: Reader):
    """In their order; the mirror, which has no end, has a test of its own."""
    ran = [each for each in BLOCKS if not each.begins(*NOT_RUN) and "mirror.db" not in each.text]
    pushed, pulled, mutated, from_python, by_reflection, tailed, verified = [await reader.run(each) for each in ran]
    assert "error" not in json.loads(pushed), pushed
    assert "Buy milk" in pulled
    created, conflict, synced = map(json.loads, mutated.splitlines())
    assert created["data"]["mutations"][0]["type"] == "CREATE"
    assert conflict["error"]["code"] == "OutOfSyncError"
    assert [one["resource"] for one in synced["data"]["mutations"]] == ["BOOKMARK"]
    assert created["data"]["lastMutationAt"] == synced["data"]["lastMutationAt"]
    assert "Buy milk" in from_python
    assert "Buy bread" in from_python
    assert len(json.loads(by_reflection)["changes"]) == 2
    lines = [json.loads(line) for line in tailed.splitlines() if '"todo"' in line]
    assert [line["data"]["title"] for line in lines] == ["Buy milk", "Buy bread"]
    assert [line["user_id"] for line in lines] == ["demo", "demo"]
    assert ["checkpoint_token" in line for line in lines] == [False, True]
    assert "VIOLATED" not in verified
    assert re.search(r"no lost change +[1-9].* 0  holds", verified), verified


async def test_the_mirror_goes_on_after_it_was_killed(reader: Reader):
    """Killed twice while others push; each life is the README's example to the letter."""
    push = block("sync_pb2.PushRequest")
    for number, entity_id in enumerate(("eggs", "tea", "rice")):
        async with _mirroring(reader) as folder:
            await reader.run(Block(push.language, push.text.replace('"bread"', f'"{entity_id}"')))
            await until(lambda: entity_id in _mirrored(folder))  # noqa: B023  # awaited in this round
            assert len(_mirrored(folder)) >= number + 1
    async with _mirroring(reader) as folder:
        log = await reader.run(block("syncline tail"))
        lines = [json.loads(line) for line in log.splitlines()]
        last = {line["entity_id"]: line["data"] for line in lines if line["action"] != "delete"}
        await until(lambda: _mirrored(folder) == last)


@asynccontextmanager
async def _mirroring(reader: Reader) -> AsyncIterator[Path]:
    process = await reader.start(block("mirror.db"))
    try:
        yield reader.commands.folder
        assert process.returncode is None
    finally:
        process.send_signal(signal.SIGKILL)
        await process.communicate()


def _mirrored(folder: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(folder / "mirror.db")) as mirror:
        try:
            rows = mirror.execute("SELECT id, data FROM entities").fetchall()
        except sqlite3.OperationalError:  # it has yet to make the table
            return {}
        return {entity_id: json.loads(data) for entity_id, data in rows}


def test_every_block_is_run_or_is_known_not_to_be():
    for words in NOT_RUN:
        assert [each for each in BLOCKS if each.begins(words)], f"no block begins with {words!r}"
    assert {each.language for each in BLOCKS} == {"sh", "python"}


def test_the_table_of_settings_is_that_of_the_code():
    documented = [line for line in README.splitlines() if line.startswith("| `SYNCLINE_")]
    assert documented == list(rows_of_settings()), "\n".join(["the table has to be:", *rows_of_settings()])


def rows_of_settings() -> Iterator[str]:
    """Yield the rows; processes with the same setting share one."""
    owners: defaultdict[tuple[str, str, str | None], list[str]] = defaultdict(list)
    settings: tuple[tuple[str, type[BaseSettings]], ...] = (("server", ServerSettings), ("bridge", BridgeSettings))
    for owner, owned in settings:
        for name, knob in owned.model_fields.items():
            owners[name, _shown(knob.default), knob.description].append(owner)
    for (name, default, description), named in owners.items():
        yield f"| `SYNCLINE_{name.upper()}` | {' and '.join(named)} | {default} | {description} |"


def _shown(default: object) -> str:
    if default in (None, ()):
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    return str(default) if isinstance(default, int) else f"`{default}`"


def test_the_table_of_commands_is_that_of_the_command_line():
    documented: set[str] = set()
    for row in ROW.findall(README):
        first, *more = re.findall(r"`(?:syncline )?([^`]+)`", row)
        group = first.rpartition(" ")[0]
        documented |= {first, *(f"{group} {name}".strip() for name in more)}
    assert documented == set(commands_of_table())


def commands_of_table() -> Iterator[str]:
    for name, entry in ENTRIES.items():
        found = entry.load()
        if isinstance(found, Command):
            yield name
        else:
            yield from (f"{name} {member}" for member in found)
