"""Rows of pushes over gRPC."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from grpc import aio

from bench import floor_grpc, load, messages
from bench.driver import Driver, connected, upserts_per_second
from bench.load import Done, Unary
from bench.measure import Row, Wanted, ratio_row
from bench.plan import Bench
from bench.processes import Process, Project, floor, server
from syncline.v1 import sync_pb2, sync_pb2_grpc

CALLERS: Final = 16
"""Users, each with a connection of its own: a single user may push about 1,000 times a second."""
_WARM_UP_SECONDS: Final = 0.5
_BATCH: Final = 100
_BATCHES_IN_FLIGHT: Final = 32
_IN_FLIGHT: Final = 128
_PUSH_1: Final = {"sqlite": Wanted(0.75, "at least"), "postgresql": Wanted(0.70, "at least")}
_PUSH_100: Final = {"sqlite": Wanted(1.00, "at least"), "postgresql": Wanted(0.75, "at least")}


class LostPushes(Exception):
    """The store does not hold what was pushed: the figure would be wrong."""


async def push_one(bench: Bench, kind: str) -> Row:
    """Measure pushes of one change."""
    project = await bench.databases.project(kind)
    pushes = _pushes(project, 1, _IN_FLIGHT)
    async with (
        server(project) as subject,
        grpc_floor(bench, project, subject, 1) as empty,
        connected(project) as driver,
    ):

        async def floor_rate() -> float:
            return (await load.unary(pushes, empty.address, bench.plan.seconds, bench.grpc_tool)).per_second

        async def subject_rate() -> float:
            return (await _pushed(bench, pushes, subject, driver, 1, bench.plan.seconds)).per_second

        await load.unary(pushes, empty.address, _WARM_UP_SECONDS, bench.grpc_tool)
        await _pushed(bench, pushes, subject, driver, 1, _WARM_UP_SECONDS)
        return await ratio_row(
            f"push of 1 change, gRPC, {_IN_FLIGHT} in flight, {kind}",
            "empty handler",
            _PUSH_1[kind],
            "calls/s",
            bench.grpc_tool,
            bench.plan.rounds,
            floor_rate,
            subject_rate,
        )


async def push_many(bench: Bench, kind: str) -> Row:
    """Measure pushes of 100 changes, all of new entities."""
    project = await bench.databases.project(kind)
    pushes = _pushes(project, _BATCH, _BATCHES_IN_FLIGHT)
    async with (
        server(project) as subject,
        connected(project) as counter,
        # In a database of its own: the server owns the other.
        connected(await bench.databases.project(kind)) as driver,
    ):

        async def floor_rate() -> float:
            return await upserts_per_second(driver, bench.plan.seconds, _BATCH)

        async def subject_rate() -> float:
            done = await _pushed(bench, pushes, subject, counter, _BATCH, bench.plan.seconds)
            return done.per_second * _BATCH

        await _pushed(bench, pushes, subject, counter, _BATCH, _WARM_UP_SECONDS)
        await upserts_per_second(driver, _WARM_UP_SECONDS, _BATCH)
        return await ratio_row(
            f"push of {_BATCH} changes, new entities, gRPC, {_BATCHES_IN_FLIGHT} in flight, {kind}",
            f"driver's {'executemany' if kind == 'sqlite' else 'set-based'} upsert, {_BATCH} a transaction",
            _PUSH_100[kind],
            "changes/s",
            bench.grpc_tool,
            bench.plan.rounds,
            floor_rate,
            subject_rate,
        )


def _pushes(project: Project, changes: int, in_flight: int) -> Unary:
    body = messages.push(changes).SerializeToString()
    callers = [project.credentials(f"user{number}") for number in range(CALLERS)]
    return Unary("Push", body, callers, in_flight // CALLERS)


async def _pushed(bench: Bench, pushes: Unary, subject: Process, counter: Driver, changes: int, seconds: float) -> Done:
    """Push, and see that every push that was answered is in the store: what says so otherwise is not asked."""
    before = await counter.count()
    done = await load.unary(pushes, subject.address, seconds, bench.grpc_tool)
    stored = await counter.count() - before
    if not done.calls * changes <= stored <= done.started * changes:
        raise LostPushes(f"{stored} entities are new after {done.calls} to {done.started} pushes of {changes}")
    return done


@asynccontextmanager
async def grpc_floor(bench: Bench, project: Project, subject: Process, changes: int) -> AsyncIterator[Process]:
    """Run the empty handlers, with the answers of the server to the same requests."""
    async with aio.insecure_channel(subject.address) as channel:
        stub = sync_pb2_grpc.SyncServiceStub(channel)
        metadata = project.credentials("first")
        pushed = await stub.Push(messages.push(changes), metadata=metadata)
        pulled = await stub.Pull(sync_pb2.PullRequest(), metadata=metadata)
    (bench.databases.folder / floor_grpc.PUSHED).write_bytes(pushed.SerializeToString())
    (bench.databases.folder / floor_grpc.PULLED).write_bytes(pulled.SerializeToString())
    async with floor("floor_grpc", bench.databases.folder) as process:
        yield process
