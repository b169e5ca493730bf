"""Clocks of devices, right and wrong."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
OFFSETS_MS: Mapping[str, tuple[int, ...]] = {
    "right": (0,),
    "coarse": (0,),
    "slow": (-_HOUR_MS, -5_000),
    "fast": (5_000, _HOUR_MS),
    "jumping": (0, 0, _HOUR_MS, -_HOUR_MS, 0, 3 * _DAY_MS, -2 * _DAY_MS),
}
"""By kind: what a clock may be off by. A coarse one knows whole seconds only."""
_JUMP = 0.1
"""How likely one that can jump does, each time it is looked at."""


@dataclass
class WallClock:
    """The time that all go by; what runs in memory, where nothing takes any, moves it on."""

    moved_seconds: float = 0.0

    def now(self) -> float:
        return time.time() + self.moved_seconds

    def now_ms(self) -> int:
        return round(self.now() * 1000)


WALL = WallClock()


@dataclass
class Clock:
    """One device's clock; all its tabs share it."""

    kind: str
    random: Random
    offset_ms: int = 0

    def __post_init__(self) -> None:
        self.offset_ms = OFFSETS_MS[self.kind][0]

    @property
    def is_right(self) -> bool:
        return self.kind == "right"

    @property
    def orders(self) -> bool:
        """Tell whether it never shows the same time twice, nor one that is yet to come."""
        return (self.kind in {"right", "slow"} and len(OFFSETS_MS[self.kind]) == 1) or self.is_right

    def now_ms(self) -> int:
        if self.random.random() < _JUMP:
            self.offset_ms = self.random.choice(OFFSETS_MS[self.kind])
        now = WALL.now_ms() + self.offset_ms
        return now // 1000 * 1000 if self.kind == "coarse" else now
