"""How near a process is to the end of its file descriptors: without any it can accept and open nothing, and says so."""

import asyncio
import os
import resource
from typing import Final, NoReturn

_LOOK_SECONDS: Final = 1.0
_FEW: Final = 0.9
_AGAIN_SECONDS: Final = 60.0


async def watch_descriptors() -> NoReturn:
    """Log, once a minute at most, that few descriptors are left, or none; for ever."""
    loop = asyncio.get_running_loop()
    quiet_until = 0.0
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if loop.time() >= quiet_until and _warn():
            quiet_until = loop.time() + _AGAIN_SECONDS


def _warn() -> bool:
    """Log how it stands, unless there are plenty; returns whether there is something to say."""
    import structlog

    log = structlog.get_logger(__name__)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    lowest_free = _lowest_free()
    if lowest_free is None:
        log.error(
            "out of file descriptors: nothing can be accepted or opened; raise the limit (ulimit -n)", limit=limit
        )
    elif lowest_free > _FEW * limit:
        log.warning("file descriptors are running out; raise the limit (ulimit -n)", used=lowest_free, limit=limit)
    else:
        return False
    return True


def _lowest_free() -> int | None:
    """Return the lowest descriptor that is free, below which all are taken; None: there is none."""
    try:
        taken = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return None
    os.close(taken)
    return taken
