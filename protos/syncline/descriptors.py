"""How many connections a process can promise: each takes a file descriptor, and the operating system limits those."""

import resource
from contextlib import suppress
from typing import Final

_ENOUGH: Final = 65_536


def raise_descriptor_limit() -> None:
    """Raise this process's limit of open files to the most that it may set itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH if hard == resource.RLIM_INFINITY else hard
    with suppress(ValueError, OSError):  # some systems have a limit below the one that they name
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def descriptors_left(reserved: int) -> int:
    """Return how many descriptors there are beside those that are reserved; always a few."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(8, (_ENOUGH if soft == resource.RLIM_INFINITY else soft) - reserved)
