"""`syncline verify`: a sound deployment passes, one with a planted fault does not, and what is not there is said."""

import asyncio
from pathlib import Path

import pytest

from bridge.bridged import bridge_on
from harness import Server, change, make_project, settings_for, started_server
from ports import free_address
from syncline_verify.checks import Kind
from system.processes import Commands, Ended, commands_in
from system.unlocked import UnlockedPusher

SECONDS = "2"


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return commands_in(tmp_path)


async def verified(commands: Commands, server: Server, *options: str) -> Ended:
    key = ("--api-key", server.project.server_key)
    return await commands.run("verify", "--grpc-address", server.address, "--seconds", SECONDS, *key, *options)


def verdicts(ended: Ended) -> dict[str, str]:
    """Return the verdict on each check."""
    rows = ended.out.partition("\n\n")[0].splitlines()[1:]
    return {row[:20].strip(): row.split("  ")[-1] for row in rows}


async def test_a_sound_deployment_passes_and_is_left_as_it_was_found(commands: Commands, server: Server):
    async with bridge_on(server) as http, server.client() as ada:
        await ada.push(change(entity_id="hers"))
        ended = await verified(commands, server, "--http-address", http)
        assert ended.code == 0, str(ended)
        assert verdicts(ended) == dict.fromkeys(Kind, "holds") | {Kind.DURABLE_AFTER_KILL: "not exercised"}
        async with server.service() as service:
            log = [one async for message in service.stream(all_users=True) for one in message.changes]
    assert [one.entity_id for one in log if one.action != change("delete").action] == ["hers"]
    assert {one.user_id.split("-")[-1] for one in log} == {"ada", "bob", "cyd", "bidders", "mutations", "rxdb"}


async def test_a_server_that_draws_revisions_outside_its_lock_is_found_out(
    commands: Commands, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("syncline_server.app.Pusher", UnlockedPusher)
    async with started_server(settings_for(sqlite_url)) as server:
        ended = await verified(commands, server)
    assert ended.code == 1, str(ended)
    assert verdicts(ended)[Kind.NO_LOST_CHANGE] == "VIOLATED"
    assert f"x {Kind.NO_LOST_CHANGE}: " in ended.out


async def test_a_limit_of_calls_is_respected(commands: Commands, sqlite_url: str):
    project = await make_project(settings_for(sqlite_url))
    async with started_server(settings_for(sqlite_url, calls_per_minute=60_000), project) as server:
        ended = await verified(commands, server, "--seconds", "1")
    assert ended.code == 0, str(ended)


async def test_what_cannot_be_verified_is_said_and_is_no_violation(commands: Commands, sqlite_url: str):
    async with started_server(settings_for(sqlite_url)) as server:
        key, closed = server.project.server_key, free_address()
        nobody, no_bridge, unknown, client_key = await asyncio.gather(
            commands.run("verify", "--grpc-address", closed, "--api-key", key),
            verified(commands, server, "--http-address", closed),
            commands.run("verify", "--grpc-address", server.address, "--api-key", f"{key[:-1]}x"),
            commands.run("verify", "--grpc-address", server.address, "--api-key", server.project.client_key),
        )
    for ended, words in (
        (nobody, f"cannot reach {closed} by gRPC"),
        (no_bridge, f"cannot reach {closed} by HTTP"),
        (unknown, "does not know this server key"),
        (client_key, "does not know this server key"),
    ):
        assert ended.code == 2, str(ended)
        assert words in ended.err
        assert "Traceback" not in ended.err
