"""Rows of pushes over gRPC."""

from typing import Final

from grpc import aio

from bench import messages
from bench.answers import grpc_floor
from bench.driver import connected, upserts_per_second
from bench.load import Unary
from bench.measure import Measured, Row, Wanted, ratio_row
from bench.plan import Bench
from bench.processes import Process, Project, server
from bench.rates import answers_per_second, changes_per_second, loading
from syncline.v1 import sync_pb2_grpc

_CALLERS: Final = 16
"""Users, each with a connection of its own."""
_BATCH: Final = 100
_BATCHES_IN_FLIGHT: Final = 32
_IN_FLIGHT: Final = 128
_PUSH_1: Final = {"sqlite": Wanted(0.75, "at least"), "postgresql": Wanted(0.70, "at least")}
_PUSH_100: Final = {"sqlite": Wanted(1.00, "at least"), "postgresql": Wanted(0.75, "at least")}


async def push_one(bench: Bench, kind: str) -> list[Row]:
    """Measure pushes of one change."""
    project = await bench.databases.project(kind)
    pushes = pushes_of(project, 1, _CALLERS, _IN_FLIGHT)
    async with server(project) as subject, connected(project) as counter:
        answer = await _answer(project, subject)
        async with grpc_floor(bench, pushed=answer) as empty:
            row = await ratio_row(
                f"push of 1 change, gRPC, {_IN_FLIGHT} in flight, {kind}",
                "empty handler",
                _PUSH_1[kind],
                "calls/s",
                bench.grpc_tool,
                bench.plan.rounds,
                await answers_per_second(bench, loading(bench, pushes, empty), answer),
                await changes_per_second(bench, loading(bench, pushes, subject), counter, 1),
            )
    return [row]


async def push_many(bench: Bench, kind: str) -> list[Row]:
    """Measure pushes of 100 changes, all of new entities."""
    project = await bench.databases.project(kind)
    pushes = pushes_of(project, _BATCH, _CALLERS, _BATCHES_IN_FLIGHT)
    async with (
        server(project) as subject,
        connected(project) as counter,
        # In a database of its own: the server owns the other.
        connected(await bench.databases.project(kind)) as driver,
    ):

        async def floor_rate(seconds: float = bench.plan.seconds) -> Measured:
            return Measured(await upserts_per_second(driver, seconds, _BATCH))

        if bench.plan.warm_up_seconds:
            await floor_rate(bench.plan.warm_up_seconds)
        row = await ratio_row(
            f"push of {_BATCH} changes, new entities, gRPC, {_BATCHES_IN_FLIGHT} in flight, {kind}",
            f"driver's {'executemany' if kind == 'sqlite' else 'set-based'} upsert, {_BATCH} a transaction",
            _PUSH_100[kind],
            "changes/s",
            bench.grpc_tool,
            bench.plan.rounds,
            floor_rate,
            await changes_per_second(bench, loading(bench, pushes, subject), counter, _BATCH),
        )
    return [row]


def pushes_of(project: Project, changes: int, users: int, in_flight: int) -> Unary:
    """Return pushes of so many new entities each, by so many users."""
    body = messages.push(changes).SerializeToString()
    callers = [project.credentials(f"user{number}") for number in range(users)]
    return Unary("Push", body, callers, max(1, in_flight // users))


async def _answer(project: Project, subject: Process) -> bytes:
    """Return the server's answer to a push of one change."""
    async with aio.insecure_channel(subject.address) as channel:
        stub = sync_pb2_grpc.SyncServiceStub(channel)
        answer = await stub.Push(messages.push(1), metadata=project.credentials("first"))
    return answer.SerializeToString()
