"""The bridge as a process: its command, its stop, its end with its parent."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from syncline_bridge.settings import BridgeSettings

BRIDGE = (sys.executable, "-m", "syncline_bridge")
ON_A_FREE_PORT = ("--http-address", "127.0.0.1:0", "--log-format", "json")
PARENT = """
import os, subprocess, sys, time
bridge = subprocess.Popen(sys.argv[1:], env=os.environ | {"SYNCLINE_EXIT_WITH_PARENT": "1"})
print(bridge.pid, flush=True)
time.sleep(60)
"""


async def spawn(*command: str) -> Process:
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)


async def first_line(process: Process) -> dict[str, str]:
    assert process.stderr is not None
    line: dict[str, str] = json.loads(await process.stderr.readline())
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_gracefully(number: signal.Signals) -> None:
    process = await spawn(*BRIDGE, *ON_A_FREE_PORT)
    assert (await first_line(process))["event"] == "bridge started"
    process.send_signal(number)
    _, rest = await process.communicate()
    assert process.returncode == 0
    assert "bridge stopped" in rest.decode()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux only")
async def test_it_ends_when_its_parent_is_killed() -> None:
    parent = await spawn(sys.executable, "-c", PARENT, *BRIDGE, *ON_A_FREE_PORT)
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    await first_line(parent)
    parent.kill()
    # Both ends of the pipe are closed only when the bridge is gone too.
    await asyncio.wait_for(parent.communicate(), timeout=20)
    assert not _runs(pid)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--http-address", "nowhere"), 2, "HOST:PORT"),
        (("--max-body-bytes", "0"), 2, "max_body_bytes"),
        (("--http-address", "192.0.2.1:80"), 1, "cannot serve on 192.0.2.1:80"),
    ],
)
async def test_what_cannot_be_served_is_said_in_one_line(options: tuple[str, ...], code: int, words: str) -> None:
    process = await spawn(*BRIDGE, *options)
    _, said = await process.communicate()
    assert process.returncode == code
    assert words in said.decode()
    assert "Traceback" not in said.decode()


async def test_help_names_every_option_and_its_variable() -> None:
    process = await spawn(*BRIDGE, "--help")
    said, _ = await process.communicate()
    for name in BridgeSettings.model_fields:
        assert f"--{name.replace('_', '-')}" in said.decode()
        assert f"SYNCLINE_{name.upper()}" in said.decode()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False
