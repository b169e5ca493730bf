"""Disks that are full or cannot keep what they were given, as processes see them."""

import asyncio
import resource
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SHIM = Path(__file__).with_name("failing_disk.c")


@contextmanager
def full(pid: int, most_bytes: int) -> Iterator[None]:
    """For the time of the block a process of ours cannot write past `most_bytes` of any file."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@dataclass(frozen=True)
class FailingDisk:
    """Lets the disk of processes fail that were started with this environment."""

    library: Path
    folder: Path

    @property
    def environment(self) -> Mapping[str, str]:
        return {"LD_PRELOAD": str(self.library), "FAILING_DISK": str(self.folder)}

    @contextmanager
    def failing(self, how: str) -> Iterator[None]:
        """For the time of the block nothing can be synced (`sync`), or written (`full`)."""
        flag = self.folder / how
        flag.touch()
        try:
            yield
        finally:
            flag.unlink()


async def failing_disk(folder: Path) -> FailingDisk | None:
    """Build it in a folder; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    library = folder / "failing_disk.so"
    command = (compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SHIM), "-ldl")
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0, command
    return FailingDisk(library, folder)
