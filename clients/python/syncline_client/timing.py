"""How long the client waits: for answers, for messages, between attempts."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a client waits for what."""

    call_seconds: float = 10.0
    """Deadline of one attempt of a push or a pull."""
    total_seconds: float = 30.0
    """Deadline of a push or a pull with all its attempts, and of a finite stream's next message."""
    silence_seconds: float = 45.0
    """A stream without a message for so long is dead; three heartbeats of a server with default settings."""
    first_pause_seconds: float = 0.5
    """The longest pause before the second attempt; it doubles with each further one."""
    longest_pause_seconds: float = 15.0
    """However long a server was away, its streams are back within half a minute of its return."""


class Backoff:
    """Pauses between attempts, doubling, with full jitter: clients cut together do not come back together."""

    def __init__(self, timing: Timing) -> None:
        """Begin with the first pause."""
        self._timing = timing
        self._longest = timing.first_pause_seconds

    def reset(self) -> None:
        """Begin again: there was progress."""
        self._longest = self._timing.first_pause_seconds

    def next_pause(self, at_least_seconds: float) -> float:
        """Return how long to wait before the next attempt; `at_least_seconds` is what the server asks for."""
        pause = random.uniform(0, self._longest)  # noqa: S311  # jitter
        self._longest = min(self._longest * 2, self._timing.longest_pause_seconds)
        return at_least_seconds + pause
