"""A process that runs a server and a bridge for the model's tests; told what to do by lines of JSON.

Its clock is a file that the tests write, so that every answer can be foretold, to the revision.
"""

import asyncio
import json
import mmap
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from bridge.bridged import bridge_on
from harness import opened_engines
from syncline_server.app import running_server
from syncline_server.logs import configure_logs
from syncline_server.settings import ServerSettings
from syncline_server.store import schema
from syncline_server.store.catalogue import project_named
from syncline_server.store.engine import Engines
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.registry import SqlRegistry
from syncline_server.sync.checkpoint import CheckpointCodec
from syncline_server.sync.circle import Checkpoint

_LOST_EPOCH = 1
"""Of no database's history: ids of epochs are random."""


async def main(database: str, clock_path: str) -> None:
    settings = ServerSettings(database=database, grpc_address="127.0.0.1:0", log_level="error", drain_seconds=5)
    commands = await _lines()
    with Path(clock_path).open("rb") as file, mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ) as clock:
        read_clock = _reader(clock)
        async with running_server(settings, read_clock) as running:
            settings = settings.model_copy(update={"grpc_address": running.grpc_address})
        async with opened_engines(settings) as engines:
            checkpoints = await schema.open_checkpoints(engines)
        async with bridge_on(settings.grpc_address) as http_address:
            addresses = {"grpc": settings.grpc_address, "http": http_address}
            while True:
                async with running_server(settings, read_clock) as running:
                    _say(addresses)
                    if not await _serve(commands, running.engines, checkpoints):
                        return


async def _serve(commands: asyncio.StreamReader, engines: Engines, checkpoints: CheckpointCodec) -> bool:
    """Do what is asked for; returns whether to start again."""
    while line := await commands.readline():
        asked = json.loads(line)
        if asked == "restart":
            return True
        if "project" in asked:
            _say(await _project(engines, asked["project"]))
        else:
            _say(await _token(engines, checkpoints, **asked))
    return False


async def _project(engines: Engines, name: str) -> dict[str, str]:
    made = await SqlRegistry(engines).create(name)
    project = await project_named(EngineCatalogue(engines), name)
    keys = {"client_key": made.client_key.text, "server_key": made.server_key.text}
    return {"name": name, "session_secret": project.session_secret, **keys}


async def _token(engines: Engines, checkpoints: CheckpointCodec, scope: str, user: str | None, position: int) -> str:
    """Make a token that no honest answer ever carried."""
    project = await project_named(EngineCatalogue(engines), scope)
    return checkpoints.encode(checkpoints.scope_tag(project.id, user), Checkpoint(_LOST_EPOCH, position, position))


async def _lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def _reader(clock: mmap.mmap) -> Callable[[], int]:
    return lambda: int.from_bytes(clock[:8], "little")


def _say(answer: Any) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    configure_logs("error", "console")
    uvloop.run(main(*sys.argv[1:]))
