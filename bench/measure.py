"""How a figure comes about: floor and subject by turns, since the machine drifts, and the median of the ratios."""

import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple


class Measured(NamedTuple):
    """What was measured once."""

    figure: float
    """In the row's unit."""
    cpu_us: float = 0
    """Processor time of the processes that are ours, for one unit of work; 0: it was not looked at."""


Measure = Callable[[], Awaitable[Measured]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a figure should be."""

    figure: float
    sense: Literal["at least", "at most"]

    def __str__(self) -> str:
        return f"{'≥' if self.sense == 'at least' else '≤'} {self.figure:g}"

    def is_met_by(self, figure: float) -> bool:
        return figure >= self.figure if self.sense == "at least" else figure <= self.figure


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one kind of work."""

    work: str
    floor: str
    """What it is held against; empty where the figure stands for itself."""
    wanted: Wanted | None
    figures: Sequence[float]
    """Ratios of subject and floor, one a round; or the figures themselves."""
    unit: str
    """The unit of what the subject and the floor do, or of the figures."""
    subject: Sequence[Measured] = ()
    floors: Sequence[Measured] = ()
    load: str = ""
    """Where the load came from."""

    @property
    def median(self) -> float:
        return statistics.median(self.figures)

    def rates(self) -> tuple[Measured, Measured]:
        """Return the medians of the subject and of the floor."""
        return _median(self.subject), _median(self.floors)


class NothingMeasured(Exception):
    """A round was too short."""


def _median(measured: Sequence[Measured]) -> Measured:
    return Measured(*(statistics.median(column) for column in zip(*measured, strict=True)))


async def by_turns(rounds: int, floor: Measure, subject: Measure) -> tuple[list[Measured], list[Measured]]:
    """Return what was measured of the floor and of the subject."""
    floors: list[Measured] = []
    subjects: list[Measured] = []
    for _ in range(rounds):
        floors.append(await floor())
        subjects.append(await subject())
    return floors, subjects


async def ratio_row(
    work: str, against: str, wanted: Wanted | None, unit: str, load: str, rounds: int, floor: Measure, subject: Measure
) -> Row:
    """Measure a ratio."""
    floors, subjects = await by_turns(rounds, floor, subject)
    if not all(base.figure for base in floors):
        raise NothingMeasured(
            f"{against}: nothing was done in the time; the machine is too busy, or the time too short"
        )
    ratios = [mine.figure / base.figure for mine, base in zip(subjects, floors, strict=True)]
    return Row(work, against, wanted, ratios, unit, subjects, floors, load)
