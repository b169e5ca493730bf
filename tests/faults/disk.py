"""Disks that are full or cannot keep what they were given, as processes see them."""

import asyncio
import resource
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_SHIM = Path(__file__).with_name("failing_sync.c")


@contextmanager
def full(pids: Callable[[], Iterable[int]], most_bytes: int) -> Iterator[None]:
    """For the time of the block these processes cannot write past `most_bytes` of any file."""
    _limit(pids(), most_bytes)
    try:
        yield
    finally:
        # Twice: a process may have been started by one that was still limited.
        for _ in range(2):
            _limit(pids(), resource.RLIM_INFINITY)


def _limit(pids: Iterable[int], most_bytes: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))


@dataclass(frozen=True)
class FailingSync:
    """Lets the syncs of processes fail that were started with this environment."""

    library: Path
    flag: Path

    @property
    def environment(self) -> Mapping[str, str]:
        return {"LD_PRELOAD": str(self.library), "FAILING_SYNC": str(self.flag)}

    @contextmanager
    def failing(self) -> Iterator[None]:
        self.flag.touch()
        try:
            yield
        finally:
            self.flag.unlink()


async def failing_sync(folder: Path) -> FailingSync | None:
    """Build it in a folder; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    library = folder / "failing_sync.so"
    command = (compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SHIM), "-ldl")
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0, command
    return FailingSync(library, folder / "syncs-fail")
