"""How much is measured: in a few minutes, in full, or just enough to see that it works."""

from dataclasses import dataclass
from typing import Final

from bench.processes import Databases
from bench.stores import Stores


@dataclass(frozen=True, slots=True)
class Plan:
    """The amounts."""

    rounds: int = 5
    seconds: float = 1
    """How long the load of a round lasts, for the floor and again for the subject; wrk knows whole seconds only."""
    warm_up_seconds: float = 0.5
    """How long the load before the first round lasts; 0: there is none."""
    stream_changes: int = 200_000
    store_entities: int = 1_000_000
    small_store_entities: int = 1_000
    live_streams: int = 2_000
    live_pushes: int = 200
    live_projects: int = 500
    idle_seconds: float = 10
    """How long idle streams are looked at; each project's key is asked for in it."""


DEFAULT: Final = Plan()
FULL: Final = Plan(seconds=5, stream_changes=1_000_000)
SCALE: Final = Plan(rounds=3)
QUICK: Final = Plan(
    rounds=1,
    seconds=0.5,
    warm_up_seconds=0,
    stream_changes=2_000,
    store_entities=2_000,
    live_streams=20,
    live_pushes=10,
    live_projects=5,
    idle_seconds=0.5,
)


@dataclass(frozen=True, slots=True)
class Bench:
    """What the measurements of one run share."""

    plan: Plan
    databases: Databases
    stores: Stores
    grpc_tool: str
    http_tool: str
