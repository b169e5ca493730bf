"""The process under test, from outside: its addresses, its clock, its projects."""

import json
import mmap
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx2

from harness import Project
from syncline.v1 import sync_pb2_grpc

START_US = 1_767_225_600_000_000
_ANSWER_SECONDS = 60
_CHANNEL_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 200),
]


class Served:
    """A server and a bridge on one database; all that examples share."""

    def __init__(self, process: subprocess.Popen[bytes], clock: mmap.mmap) -> None:
        self._process = process
        self._clock = clock
        self.addresses = self._answer()
        channel = grpc.insecure_channel(self.addresses["grpc"], options=_CHANNEL_OPTIONS)
        self.stub: Any = sync_pb2_grpc.SyncServiceStub(channel)
        self.http = httpx2.Client(base_url=f"http://{self.addresses['http']}", timeout=30)
        self._channel = channel

    def set_clock(self, us: int) -> None:
        self._clock[:8] = us.to_bytes(8, "little")

    def project(self, name: str) -> Project:
        return Project(**self._ask({"project": name}))

    def token(self, project: str, user: str | None, position: int) -> str:
        """Make a token that no honest answer ever carried."""
        text: str = self._ask({"scope": project, "user": user, "position": position})
        return text

    def restart(self) -> None:
        """Stop the server and start it again, on the same database and address."""
        assert self._ask("restart") == self.addresses

    def close(self) -> None:
        self.http.close()
        self._channel.close()

    def _ask(self, question: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        out = self._process.stdout
        assert out is not None
        readable, _, _ = select.select([out], [], [], _ANSWER_SECONDS)
        line = out.readline() if readable else b""
        assert line, "the server's process does not answer"
        return json.loads(line)


@contextmanager
def served(database_url: str, folder: Path) -> Iterator[Served]:
    """Run a process for the time of the block."""
    clock_path = folder / "clock"
    clock_path.write_bytes(START_US.to_bytes(8, "little"))
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-m", "model.serving", database_url, str(clock_path)]
    environment = {**os.environ, "PYTHONPATH": str(tests)}
    with (
        clock_path.open("r+b") as file,
        mmap.mmap(file.fileno(), 8) as clock,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=folder
        ) as process,
    ):
        try:
            running = Served(process, clock)
            try:
                yield running
            finally:
                running.close()
        finally:
            assert process.stdin is not None
            process.stdin.close()  # it ends with its standard input
            try:
                process.wait(_ANSWER_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert process.returncode == 0
