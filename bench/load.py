"""Load on a server: from h2load and wrk where they are installed, else from our own client in several processes.

A Python client costs more than the server, so its figures are lower; the table says where a load came from.
"""

import asyncio
import json
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.messages import Headers, framed

NEW_ID: Final = "ENTITY"
"""Stands for a new id in the body of a push over HTTP."""
_SPARE_SECONDS: Final = 30
_PYTHON_PROCESSES: Final = 2
_METHOD_HEADERS: Final = (("content-type", "application/grpc"), ("te", "trailers"))


class LoadFailed(Exception):
    """A load generator failed, or calls did."""


@dataclass(frozen=True, slots=True)
class Unary:
    """The same gRPC call again and again."""

    method: str
    body: bytes
    """The request, serialised."""
    callers: Sequence[Headers]
    """One connection for each, with its credentials."""
    in_flight_each: int


@dataclass(frozen=True, slots=True)
class Http:
    """The same HTTP request again and again; a push with new ids."""

    path: str
    body: str
    """The body of a POST, with NEW_ID where a new id is to be; empty: a GET."""
    callers: Sequence[Headers]
    """Taken in turn."""
    connections: int


@dataclass(frozen=True, slots=True)
class Done:
    """What a load has done."""

    calls: int
    started: int
    """Calls that were answered, and those that were not when the time was up."""
    seconds: float
    received_bytes: int
    """How many bytes the answers had."""
    cpu_seconds: float = 0
    """Processor time of who answered, as far as that was looked at."""

    @property
    def per_second(self) -> float:
        return self.calls / self.seconds

    @property
    def cpu_us(self) -> float:
        """Processor time a call."""
        return self.cpu_seconds * 1e6 / max(self.calls, 1)


def grpc_tool(wanted: str | None = None) -> str:
    """Name what a gRPC load comes from."""
    return wanted or ("h2load" if shutil.which("h2load") else "python")


def http_tool(wanted: str | None = None) -> str:
    """Name what an HTTP load comes from."""
    return wanted or ("wrk" if shutil.which("wrk") else "python")


async def unary(load: Unary, address: str, seconds: float, tool: str) -> Done:
    """Call for so long. Raises LoadFailed."""
    if tool == "python":
        return await _python(
            "grpc", address, seconds, load.method, load.body, [[one] for one in load.callers], load.in_flight_each
        )
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body"
        body.write_bytes(framed(load.body))
        outputs = [Path(folder) / f"{number}.out" for number in range(len(load.callers))]
        commands = [
            f"{shlex.join(_h2load(load, caller, body, address, f'-D{round(seconds * 1000)}ms'))} > {output} 2>&1 &"
            for caller, output in zip(load.callers, outputs, strict=True)
        ]
        # A shell starts them at once; this process, being larger, would take a while, and they would not overlap.
        await _output(["sh", "-c", "\n".join([*commands, "wait"])], seconds)
        parts = [_h2load_done(output.read_text()) for output in outputs]
    return _together([replace(part, seconds=seconds) for part in parts])


async def unary_by_turns(load: Unary, address: str, seconds: float, connections: int) -> Done:
    """Call for so long with our own client, over so many connections, on each of which callers take turns."""
    shares = [load.callers[place::connections] or load.callers for place in range(connections)]
    return await _python("grpc", address, seconds, load.method, load.body, shares, load.in_flight_each)


async def once(load: Unary, address: str, seconds: float, tool: str) -> Done:
    """Make one call, which may be a stream, within so many seconds. Raises LoadFailed."""
    if tool == "python":
        return await _python("stream", address, seconds, load.method, load.body, [load.callers[:1]], 1)
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body"
        body.write_bytes(framed(load.body))
        output = await _output(_h2load(load, load.callers[0], body, address, "-n1"), seconds)
    return _h2load_done(output)


async def http(load: Http, address: str, seconds: float, tool: str) -> Done:
    """Request for so long. Raises LoadFailed."""
    if tool == "python":
        connections = [[load.callers[number % len(load.callers)]] for number in range(load.connections)]
        return await _python("http", address, seconds, load.path, load.body.encode(), connections, 1)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_lua(load))
        script.flush()
        command = ["wrk", "-t1", f"-c{load.connections}", f"-d{max(1, round(seconds))}s", "-s", script.name]
        output = await _output([*command, f"http://{address}{load.path}"], seconds)
    found = re.search(r"DONE (\d+) (\d+) (\d+) (\d+)", output)
    if found is None or int(found[4]):
        raise LoadFailed(output)
    calls, microseconds, received_bytes = (int(found[place]) for place in (1, 2, 3))
    return Done(calls, calls + load.connections, microseconds / 1e6, received_bytes)


def _h2load(load: Unary, caller: Headers, body: Path, address: str, how_long: str) -> list[str]:
    headers = [word for name, value in (*_METHOD_HEADERS, *caller) for word in ("-H", f"{name}: {value}")]
    return [
        *("h2load", how_long, "-c1", "-t1", f"-m{load.in_flight_each}", "-d", str(body), *headers),
        f"http://{address}/syncline.v1.SyncService/{load.method}",
    ]


def _h2load_done(output: str) -> Done:
    calls = re.search(r"requests: \d+ total, (\d+) started, (\d+) done, (\d+) succeeded", output)
    finished = re.search(r"finished in ([\d.]+)(us|ms|s)\b", output)
    traffic = re.search(r"\((\d+)\) data", output)
    if calls is None or finished is None or traffic is None or calls[2] != calls[3]:
        raise LoadFailed(output)
    seconds = float(finished[1]) / {"us": 1e6, "ms": 1e3, "s": 1}[finished[2]]
    return Done(int(calls[2]), int(calls[1]), seconds, int(traffic[1]))


def _lua(load: Http) -> str:
    """Return what wrk runs: callers take turns, each push brings a new id, failures are counted."""
    callers = ",\n".join(
        "{" + ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in caller) + "}"
        for caller in load.callers
    )
    return f"""
local callers = {{ {callers} }}
local body = {json.dumps(load.body)}
local method = body == "" and "GET" or "POST"
local made = 0
local prefix = string.format("%d-%p-", os.time(), callers)
for _, headers in ipairs(callers) do headers["content-type"] = "application/json" end
function request()
  made = made + 1
  local sent = body ~= "" and string.gsub(body, "{NEW_ID}", prefix .. made) or nil
  return wrk.format(method, nil, callers[made % #callers + 1], sent)
end
function done(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("DONE %d %d %d %d\\n", summary.requests, summary.duration, summary.bytes, failed))
end
"""


async def _python(
    kind: str, address: str, seconds: float, path: str, body: bytes, connections: Sequence[Sequence[Headers]], each: int
) -> Done:
    """Run our own client; the callers of a connection take turns, with so many calls in flight."""
    work = {"kind": kind, "address": address, "seconds": seconds, "path": path, "body": body.hex()}
    shares = [connections[place::_PYTHON_PROCESSES] for place in range(_PYTHON_PROCESSES)]
    outputs = await asyncio.gather(
        *(
            _output(
                [sys.executable, "-m", "bench.client"],
                seconds,
                json.dumps({**work, "connections": share, "in_flight_each": each}),
            )
            for share in shares
            if share
        )
    )
    return _together([Done(**json.loads(output)) for output in outputs])


def _together(parts: Sequence[Done]) -> Done:
    """Add up what ran at the same time."""
    return Done(
        sum(part.calls for part in parts),
        sum(part.started for part in parts),
        max(part.seconds for part in parts),
        sum(part.received_bytes for part in parts),
    )


async def _output(command: Sequence[str], seconds: float, said: str = "") -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE if said else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(seconds + _SPARE_SECONDS):
            output, _ = await process.communicate(said.encode() or None)
    except TimeoutError:
        raise LoadFailed(f"{command[0]} did not end") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise LoadFailed(output.decode())
    return output.decode()
