"""The bridge as a process: its command, and its stop."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process

import pytest

BRIDGE = (sys.executable, "-m", "syncline_command", "bridge")
ON_A_FREE_PORT = ("--http-address", "127.0.0.1:0", "--log-format", "json")


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


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--http-address", "nowhere"), 2, "HOST:PORT"),
        (("--max-body-bytes", "0"), 2, "--max-body-bytes"),
        (("--http-address", "192.0.2.1:80", "--insecure"), 1, "cannot serve on 192.0.2.1:80"),
    ],
)
async def test_what_cannot_be_served_is_said_in_one_line(options: tuple[str, ...], code: int, words: str) -> None:
    process = await spawn(*BRIDGE, *options)
    _, said = await process.communicate()
    assert process.returncode == code
    assert words in said.decode()
    assert "Traceback" not in said.decode()
