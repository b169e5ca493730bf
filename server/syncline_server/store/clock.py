"""This machine's clock."""

import time


def system_clock_us() -> int:
    """Return this machine's time, µs since the Unix epoch."""
    return time.time_ns() // 1000
