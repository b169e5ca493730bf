"""How cost grows: each chart over one amount, with the same work at every point of it."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from bench import load
from bench.driver import Driver, connected, upserts_per_second
from bench.live import Streams, delays_ms, open_idle, p99
from bench.load import Unary
from bench.measure import Measure, Measured
from bench.plan import Bench
from bench.processes import KINDS, Process, server
from bench.push_rows import pushes_of
from bench.rates import Load, changes_per_second, loading
from bench.read_rows import pulls_per_second
from bench.stores import Stores

_CALLERS: Final = 16
_IN_FLIGHT: Final = 128
_BATCHES_IN_FLIGHT: Final = 16
_PULLS: Final = {"pull of 10 changes": 10, "pull of a page of 100": 200}
"""Each with the changes after its position."""
_KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured at one amount, a figure for each round."""

    amount: int
    figures: Sequence[float]


@dataclass(frozen=True, slots=True)
class Curve:
    """One kind of work over an amount."""

    work: str
    unit: str
    points: list[Point] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over the same amount."""

    name: str
    amount: str
    curves: Sequence[Curve]
    load: str


async def over_store(bench: Bench, amounts: Sequence[int]) -> Chart:
    """Grow the store: pulls and pushes."""
    curves: list[Curve] = []
    for kind in KINDS:
        pulls = {changes: Curve(f"{work}, {kind}", "calls/s") for work, changes in _PULLS.items()}
        pushes = Curve(f"push of 1 change, {kind}", "calls/s")
        for amount in amounts:
            # A store of its own for each point, since it is pushed to.
            seeded = await Stores(bench.databases).seeded(kind, amount)
            async with server(seeded.project) as subject, connected(seeded.project) as counter:
                for changes, curve in pulls.items():
                    await _measure(bench, curve, amount, await pulls_per_second(bench, seeded, subject, changes))
                work = loading(bench, pushes_of(seeded.project, 1, _CALLERS, _IN_FLIGHT), subject)
                await _measure(bench, pushes, amount, await changes_per_second(bench, work, counter, 1))
        curves += [*pulls.values(), pushes]
    return Chart("store", "entities in the store", curves, bench.grpc_tool)


async def over_batch(bench: Bench, amounts: Sequence[int]) -> Chart:
    """Grow the batch: pushes, and the driver's own upserts."""
    curves: list[Curve] = []
    for kind in KINDS:
        pushes, upserts = Curve(f"push, {kind}", "changes/s"), Curve(f"driver's upsert, {kind}", "changes/s")
        project = await bench.databases.project(kind)
        async with (
            server(project) as subject,
            connected(project) as counter,
            connected(await bench.databases.project(kind)) as driver,
        ):
            for amount in amounts:
                work = loading(bench, pushes_of(project, amount, _CALLERS, _BATCHES_IN_FLIGHT), subject)
                await _measure(bench, pushes, amount, await changes_per_second(bench, work, counter, amount))
                await _measure(bench, upserts, amount, _upserting(bench, driver, amount))
        curves += [pushes, upserts]
    return Chart("batch", "changes in a push", curves, bench.grpc_tool)


async def over_users(bench: Bench, amounts: Sequence[int]) -> Chart:
    """Grow the number of users who push, with as many calls in flight."""
    curves: list[Curve] = []
    for kind in KINDS:
        curve = Curve(f"push of 1 change, {kind}", "calls/s")
        project = await bench.databases.project(kind)
        async with server(project) as subject, connected(project) as counter:
            for amount in amounts:
                work = _by_turns(pushes_of(project, 1, amount, amount * (_IN_FLIGHT // _CALLERS)), subject)
                await _measure(bench, curve, amount, await changes_per_second(bench, work, counter, 1))
        curves.append(curve)
    return Chart("users", f"users who push, {_IN_FLIGHT} calls in flight", curves, "python")


async def over_streams(bench: Bench, amounts: Sequence[int]) -> Chart:
    """Grow the number of live streams, each of a user: memory, and deliveries on one of them."""
    memory = Curve("growth of the server's memory", "MiB")
    delays = {"p50": Curve("commit to delivery, p50", "ms"), "p99": Curve("commit to delivery, p99", "ms")}
    for amount in amounts:
        project = await bench.databases.project("sqlite")
        async with server(project) as subject, AsyncExitStack() as stack:
            streams = Streams(subject.address, project.credentials)
            idle_kib = await open_idle(streams, stack, subject, project.credentials, amount)
            memory.points.append(Point(amount, [idle_kib * amount / _KIB]))
            user = project.credentials("user0")
            found = sorted(await delays_ms(streams, stack, subject, user, 1, bench.plan.live_pushes))
            delays["p50"].points.append(Point(amount, [found[len(found) // 2]]))
            delays["p99"].points.append(Point(amount, [p99(found)]))
            await streams.close()
    return Chart("streams", "live streams", [memory, *delays.values()], "python")


async def _measure(bench: Bench, curve: Curve, amount: int, measure: Measure) -> None:
    curve.points.append(Point(amount, [(await measure()).figure for _ in range(bench.plan.rounds)]))


def _by_turns(pushes: Unary, subject: Process) -> Load:
    """Return what pushes over a few connections, on each of which users take turns."""
    return lambda seconds: load.unary_by_turns(pushes, subject.address, seconds, _CALLERS)


def _upserting(bench: Bench, driver: Driver, batch: int) -> Measure:
    async def rate() -> Measured:
        return Measured(await upserts_per_second(driver, bench.plan.seconds, batch))

    return rate
