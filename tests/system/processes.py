"""Syncline as processes: started as a user would, their output kept in files, ended whatever happens."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from waiting import accepts_connections, until

_READY_SECONDS = 60
_END_SECONDS = 60


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Process:
    """A command that runs."""

    def __init__(self, process: asyncio.subprocess.Process, out: Path, err: Path) -> None:
        self._process = process
        self._out = out
        self._err = err

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    async def ready(self, address: str) -> None:
        """Wait until its gRPC server says that it serves; fails with its output when it ends instead."""
        async with asyncio.timeout(_READY_SECONDS), aio.insecure_channel(address, options=_QUICK_RECONNECT) as channel:
            check = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), wait_for_ready=True)
            asking = asyncio.ensure_future(_answer(check))
            ending = asyncio.ensure_future(self._process.wait())
            await asyncio.wait({asking, ending}, return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            if not asking.done():
                asking.cancel()
                raise AssertionError(str(await self.ended()))
            assert asking.result().status == health_pb2.HealthCheckResponse.SERVING

    async def listens(self, address: str) -> None:
        """Wait until something accepts connections there."""

        async def listens() -> bool:
            assert self._process.returncode is None, str(await self.ended())
            return await accepts_connections(address)

        await until(listens, within_seconds=_READY_SECONDS)

    async def wrote(self, words: str) -> str:
        """Wait until its output has these words, and return it."""

        async def has_written() -> bool:
            assert words in self.out or self._process.returncode is None, str(await self.ended())
            return words in self.out

        await until(has_written, within_seconds=_READY_SECONDS)
        return self.out

    async def kill(self) -> None:
        self._process.kill()
        await self._process.wait()

    async def ended(self, send: signal.Signals | None = None) -> Ended:
        """Wait for its end, after a signal if one is given."""
        if send is not None:
            self._process.send_signal(send)
        async with asyncio.timeout(_END_SECONDS):
            code = await self._process.wait()
        return Ended(code, self.out, self.err)

    async def clean_up(self) -> None:
        if self._process.returncode is None:
            await self.kill()


@dataclass
class Commands:
    """Starts commands in a folder of their own."""

    folder: Path
    environment: Mapping[str, str]
    started: int = 0

    @asynccontextmanager
    async def running(self, *arguments: str, **environment: str) -> AsyncIterator[Process]:
        """Run `syncline <arguments>` for the time of the block."""
        self.started += 1
        out, err = (
            self.folder / f"{self.started}-{'-'.join(arguments[:1]).lstrip('-')}.{kind}" for kind in ("out", "err")
        )
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "syncline_command", *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out_file,
                stderr=err_file,
                cwd=self.folder,
                env={**self.environment, **environment},
            )
        command = Process(process, out, err)
        try:
            yield command
        finally:
            await command.clean_up()

    async def run(self, *arguments: str, **environment: str) -> Ended:
        """Run `syncline <arguments>` to its end."""
        async with self.running(*arguments, **environment) as command:
            return await command.ended()


def commands_in(tmp_path: Path) -> Commands:
    """Return commands that see nothing of this machine's own Syncline settings.

    What they import is compiled once, where Python is told not to write bytecode, too: uncompiled, a start takes four
    seconds of a core.
    """
    hidden = ("SYNCLINE_", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    folder = tmp_path / "commands"
    folder.mkdir(exist_ok=True)
    return Commands(folder, environment)


async def _answer(call: "aio.UnaryUnaryCall[object, health_pb2.HealthCheckResponse]") -> health_pb2.HealthCheckResponse:
    return await call


_QUICK_RECONNECT = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.use_local_subchannel_pool", 1),
]
