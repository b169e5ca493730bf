"""What time it is by the server, as every call tells it: a client whose own clock is wrong can go by it (P4)."""

import time

from syncline import words

_NANOSECONDS_PER_MS = 1_000_000


def server_time() -> tuple[tuple[str, str]]:
    """Return the metadata that tells it, in ms since the Unix epoch."""
    return ((words.SERVER_TIME, str(time.time_ns() // _NANOSECONDS_PER_MS)),)
