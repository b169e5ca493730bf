"""How the bridge ends with the process that started it, even one that was killed."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def exit_with_parent() -> None:
    """Have the kernel send SIGTERM, the graceful stop, when the parent dies; raises OSError where that cannot be had.

    The kernel watches the thread that started this process: start it from one that lasts.
    """
    parent = os.getppid()
    if sys.platform != "linux":
        raise OSError("stopping with the parent needs Linux")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it died before the kernel was told to watch
        raise SystemExit(0)
