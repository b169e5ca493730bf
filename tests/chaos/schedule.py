"""Which faults come when: a function of a seed alone."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What can go wrong."""

    DELAY = "delay"
    THROTTLE = "throttle"
    CUT = "cut"
    BLACK_HOLE = "black hole"
    HALF_CLOSE = "half-close"
    RESET = "reset"
    RESET_IN_FRAME = "reset in mid-frame"
    MOVE = "clients move to another server"
    KILL = "SIGKILL"
    STOP = "SIGSTOP"
    FULL_DISK = "disk full"
    FAILING_SYNC = "fsync fails"
    TERMINATE = "pg_terminate_backend"
    KILL_BACKEND = "SIGKILL of a backend"
    IMMEDIATE = "pg_ctl stop -m immediate"
    AWAY = "PostgreSQL away"


@dataclass(frozen=True)
class Fault:
    """One fault."""

    pause_seconds: float
    """After the end of the one before."""
    kind: Kind
    place: str
    seconds: float
    """How long it lasts, if it lasts."""
    amount: float
    """How much of it, from 0 to 1."""

    def __str__(self) -> str:
        return f"+{self.pause_seconds:.2f} s {self.kind} ({self.place}, {self.seconds:.2f} s, {self.amount:.2f})"


@dataclass(frozen=True)
class Menu:
    """What one hand does, one thing after the other."""

    hand: str
    choices: Sequence[tuple[Kind, str]]
    longest_pause_seconds: float
    longest_seconds: float

    def faults(self, seed: int) -> Iterator[Fault]:
        """Yield faults without end; each choice once before any comes again."""
        drawn = random.Random(f"{seed}/{self.hand}")
        while True:
            for kind, place in drawn.sample(self.choices, len(self.choices)):
                pause = drawn.uniform(0, self.longest_pause_seconds)
                yield Fault(pause, kind, place, drawn.uniform(0.1, 1) * self.longest_seconds, drawn.random())
