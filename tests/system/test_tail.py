"""`syncline tail --follow` outlives the server it follows."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import waiting
from harness import make_project, settings_for
from ports import free_address
from syncline_client import SyncClient, Timing, create
from system.processes import Process, commands_in

MOST_PROBES = 60


def lines(tail: Process) -> list[dict[str, Any]]:
    return [json.loads(line) for line in tail.out.splitlines(keepends=True) if line.endswith("\n")]


def entities(tail: Process) -> list[str]:
    return [line["entity_id"] for line in lines(tail)]


async def until(tail: Process, *ids: str) -> None:
    def has_printed() -> bool:
        assert not set(entities(tail)) - set(ids), tail.out
        return entities(tail) == list(ids)

    await waiting.until(has_printed)


async def test_it_goes_on_where_it_was_when_the_server_comes_back(sqlite_url: str, tmp_path: Path):
    project, address = await make_project(settings_for(sqlite_url)), free_address()
    commands = commands_in(tmp_path)
    serve = ("server", "--database", sqlite_url, "--grpc-address", address)
    follow = ("tail", "--api-key", project.server_key, "--grpc-address", address, "--all-users", "--follow")

    async def push(entity_id: str) -> None:
        async with SyncClient(address, api_key=project.server_key, timing=Timing(total_seconds=60)) as client:
            await client.push([create("todo", entity_id)], user_id="ada")

    async with commands.running(*serve) as server:
        await server.ready(address)
        await push("before")
        async with commands.running(*follow) as tail, commands.running(*follow, "--from", "end") as tail_of_end:
            await until(tail, "before")
            probes = await live(tail_of_end, push)
            seen = entities(tail_of_end)
            await server.kill()
            async with commands.running(*serve):
                await push("after")
                await until(tail, "before", *probes, "after")
                await until(tail_of_end, *seen, "after")
                assert "the stream is away" in tail.err
                again = await commands.run(*follow[:-1], "--from", tokens(tail)[-2])
                assert [json.loads(line)["entity_id"] for line in again.out.splitlines()] == ["after"]


async def live(tail: Process, push: Any) -> list[str]:
    """Push until it follows, since it prints only what comes from then on; returns what was pushed."""
    pushed: list[str] = []
    while not pushed or entities(tail)[-1:] != pushed[-1:]:
        assert len(pushed) < MOST_PROBES, tail.err
        pushed.append(f"{len(pushed)}")
        await push(pushed[-1])
        with suppress(TimeoutError):
            await waiting.until(lambda: entities(tail)[-1:] == pushed[-1:], within_seconds=1)
    return pushed


def tokens(tail: Process) -> list[str]:
    return [line["checkpoint_token"] for line in lines(tail) if "checkpoint_token" in line]
