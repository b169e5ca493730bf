"""The process under test, from outside: its addresses, its clock, its projects."""

import json
import mmap
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import grpc
import httpx2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from harness import Project
from syncline.v1 import sync_pb2_grpc
from syncline_bridge.edge.probes import READINESS_PATH

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

    def __init__(self, process: subprocess.Popen[bytes], clock: mmap.mmap, *, is_sqlite: bool) -> None:
        self._process = process
        self._clock = clock
        self._is_new_epoch_with_start = is_sqlite
        self.latest_us = START_US
        """As far as the clock has ever been set."""
        self.epoch_us = START_US
        """When the database's epoch has begun: nothing is stamped before it."""
        self.addresses = self._answer()
        channel = grpc.insecure_channel(self.addresses["grpc"], options=_CHANNEL_OPTIONS)
        self.stub: Any = sync_pb2_grpc.SyncServiceStub(channel)
        self.http = httpx2.Client(base_url=f"http://{self.addresses['http']}", timeout=30)
        self._channel = channel

    def set_clock(self, us: int) -> None:
        self.latest_us = max(self.latest_us, us)
        self._clock[:8] = us.to_bytes(8, "little")

    def project(self, name: str) -> Project:
        return Project(**self._ask({"project": name}))

    def token(self, project: str, user: str | None, position: int) -> str:
        """Make a token that no honest answer ever carried."""
        text: str = self._ask({"scope": project, "user": user, "position": position})
        return text

    def restart(self) -> None:
        """Stop the server and start it again, on the same database and address; return once all have found it."""
        assert self._ask("restart") == self.addresses
        if self._is_new_epoch_with_start:
            self.epoch_us = int.from_bytes(self._clock[:8], "little")
        until = time.monotonic() + _ANSWER_SECONDS
        while not self._is_found():
            assert time.monotonic() < until, "the server is not found after its restart"

    def _is_found(self) -> bool:
        """Tell whether the bridge and this process have new connections; an old one fails with its first call."""
        try:
            health_pb2_grpc.HealthStub(self._channel).Check(
                health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=_ANSWER_SECONDS
            )
        except grpc.RpcError:
            return False
        return self.http.get(READINESS_PATH).status_code == HTTPStatus.OK

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
            running = Served(process, clock, is_sqlite=database_url.startswith("sqlite"))
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
