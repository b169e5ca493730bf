"""Loads as measures: warmed up, checked, in units a second."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from bench import load
from bench.checks import answered, stored
from bench.driver import Driver
from bench.load import Done, Http, Unary
from bench.measure import Measure, Measured
from bench.plan import Bench
from bench.processes import Process

Load = Callable[[float], Awaitable[Done]]
"""Loads a process for so many seconds."""


def loading(bench: Bench, calls: Unary | Http, process: Process, *behind: Process) -> Load:
    """Return what makes these calls to a process; those behind it work for the calls, too."""

    def started(seconds: float) -> Awaitable[Done]:
        if isinstance(calls, Unary):
            return load.unary(calls, process.address, seconds, bench.grpc_tool)
        return load.http(calls, process.address, seconds, bench.http_tool)

    async def loaded(seconds: float) -> Done:
        before = sum(one.cpu_seconds() for one in (process, *behind))
        done = await started(seconds)
        return replace(done, cpu_seconds=sum(one.cpu_seconds() for one in (process, *behind)) - before)

    return loaded


async def answers_per_second(bench: Bench, calls: Load, answer: bytes) -> Measure:
    """Warm up, and return what measures answers a second; each has to be as long as this one."""
    return await _warm(bench, lambda seconds: answered(calls(seconds), len(answer)), 1)


async def changes_per_second(bench: Bench, calls: Load, counter: Driver, changes: int) -> Measure:
    """Warm up, and return what measures pushed changes a second, so many a push; all have to be in the store."""
    return await _warm(bench, lambda seconds: stored(calls(seconds), counter, changes), changes)


async def calls_per_second(bench: Bench, calls: Load, units: int) -> Measure:
    """Warm up, and return what measures units of work a second, so many a call."""
    return await _warm(bench, calls, units)


async def _warm(bench: Bench, calls: Load, units: int) -> Measure:
    async def rate() -> Measured:
        done = await calls(bench.plan.seconds)
        return Measured(done.per_second * units, done.cpu_us / units)

    if bench.plan.warm_up_seconds:
        await calls(bench.plan.warm_up_seconds)
    return rate
