"""What the process that answers knows of itself, beside what the database knows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """A setting of a process."""

    name: str
    """As its environment variable."""
    value: str
    """Of a secret, three asterisks."""
    origin: str
    """`default`, `environment`, `file` or `option`."""
    about: str


@dataclass(frozen=True, slots=True)
class Process:
    """A process, as it can be asked about."""

    version: str
    started_at: float
    """Seconds since the Unix epoch."""
    settings: Sequence[SettingInForce]
    is_ready: Callable[[], bool]
    health: Callable[[], Mapping[str, str]]
    streams: Callable[[], int]
    waiting_pushes: Callable[[], int]
    commit_seconds: Callable[[], Sequence[float]]
    """How long the last commits took."""
