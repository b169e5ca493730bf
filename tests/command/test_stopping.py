"""A process that is to exit with its parent does so however the parent ends; workers and the bridge of `serve` do."""

import os
import resource
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process, create_subprocess_exec
from pathlib import Path

import pytest

from ports import free_address
from system.processes import Commands
from waiting import until

PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen(
    [sys.executable, "-m", "syncline_command", *sys.argv[1:]],
    stdin=subprocess.PIPE,
    env=os.environ | {"SYNCLINE_EXIT_WITH_PARENT": "1"},
)
print(child.pid, flush=True)
time.sleep(600)
"""
ARGUMENTS = {
    "server": ("--grpc-address", "127.0.0.1:0"),
    "bridge": ("--http-address", "127.0.0.1:0"),
    "serve": ("--grpc-address", "127.0.0.1:0"),
}
STARTED = {"server": b"serving gRPC", "bridge": b"bridge started", "serve": b"bridge started"}


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


async def wait_for_line(process: Process, words: bytes) -> None:
    assert process.stderr is not None
    while words not in (line := await process.stderr.readline()):
        assert line


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("command", ARGUMENTS)
async def test_it_ends_when_its_parent_is_killed(command: str, commands: Commands):
    arguments = ARGUMENTS[command] + (("--http-address", free_address()) if command == "serve" else ())
    parent = await create_subprocess_exec(
        *(sys.executable, "-c", PARENT, command, *arguments),
        stdout=PIPE,
        stderr=PIPE,
        cwd=commands.folder,
        env=dict(commands.environment),
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    try:
        await wait_for_line(parent, STARTED[command])
        parent.kill()
        # Both ends of these pipes are closed only when the child's bridge is gone too.
        await parent.communicate()
        await until(lambda: not runs(pid))
    finally:
        if runs(pid):
            os.kill(pid, signal.SIGKILL)


async def test_the_bridge_of_a_server_that_is_killed_ends(commands: Commands):
    address = free_address()
    async with commands.running("serve", "--grpc-address", "127.0.0.1:0", "--http-address", address) as process:
        await process.wrote("Pull it:")
        bridge = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
        await process.kill()
        await until(lambda: not runs(bridge))
        assert "bridge stopped" in process.err


@pytest.mark.parametrize("command", ["server", "bridge"])
async def test_without_a_pipe_to_watch_it_says_so(commands: Commands, command: str):
    process = await create_subprocess_exec(
        *(sys.executable, "-m", "syncline_command", command, "--exit-with-parent", *ARGUMENTS[command]),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        cwd=commands.folder,
        env=dict(commands.environment),
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    assert b"needs a pipe" in err


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ARGUMENTS)
async def test_a_signal_ends_it_in_order_and_is_named(command: str, number: signal.Signals, commands: Commands):
    arguments = ARGUMENTS[command] + (("--http-address", free_address()) if command == "serve" else ())
    async with commands.running(command, *arguments) as process:
        await until(lambda: STARTED[command].decode() in process.err, within_seconds=60)
        ended = await process.ended(number)
    assert (ended.code, number.name in ended.err) == (0, True), str(ended)
    assert "Traceback" not in ended.err


async def test_what_was_started_to_outlive_its_terminal_does(commands: Commands):
    script = "trap '' HUP; exec \"$0\" -m syncline_command bridge --http-address 127.0.0.1:0"
    process = await create_subprocess_exec(
        *("sh", "-c", script, sys.executable), stderr=PIPE, cwd=commands.folder, env=dict(commands.environment)
    )
    await wait_for_line(process, b"bridge started")
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    _, err = await process.communicate()
    assert (process.returncode, b"SIGTERM" in err, b"SIGHUP" in err) == (0, True, False)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs prlimit")
@pytest.mark.parametrize("command", ["server", "bridge"])
async def test_it_says_when_it_has_no_file_descriptors_left(command: str, commands: Commands):
    async with commands.running(command, *ARGUMENTS[command]) as process:
        await until(lambda: STARTED[command].decode() in process.err, within_seconds=60)
        before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        await until(lambda: "out of file descriptors" in process.err, within_seconds=30)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
        assert (await process.ended(signal.SIGTERM)).code == 0
