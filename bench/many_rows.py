"""Rows of pushes by many at once: users of one project, projects of one database."""

from collections.abc import Sequence
from typing import Final

from grpc import aio

from bench import messages
from bench.driver import connected
from bench.load import Unary
from bench.measure import Row, Wanted, ratio_row
from bench.messages import Headers
from bench.plan import Bench
from bench.processes import Process, server
from bench.rates import changes_per_second, loading
from syncline.v1 import sync_pb2_grpc

_MANY: Final = 128
_ONE_USER: Final = Wanted(0.80, "at least")
_PROJECTS: Final = {"sqlite": Wanted(0.80, "at least"), "postgresql": Wanted(0.60, "at least")}


async def one_user(bench: Bench, kind: str) -> list[Row]:
    """Measure pushes of one user, beside as many pushes of as many users."""
    project = await bench.databases.project(kind)
    users = [project.credentials(f"user{number}") for number in range(_MANY)]
    async with server(project) as subject, connected(project) as counter:
        row = await ratio_row(
            f"push of 1 change, gRPC, {_MANY} in flight, all of one user, {kind}",
            f"pushes of {_MANY} users",
            _ONE_USER,
            "calls/s",
            bench.grpc_tool,
            bench.plan.rounds,
            await changes_per_second(bench, loading(bench, _pushes(users), subject), counter, 1),
            await changes_per_second(bench, loading(bench, _pushes(users[:1] * _MANY), subject), counter, 1),
        )
    return [row]


async def many_projects(bench: Bench, kind: str) -> list[Row]:
    """Measure pushes to many projects, beside as many pushes to one."""
    projects = await bench.databases.projects(kind, _MANY)
    of_many = [project.credentials("user") for project in projects]
    of_one = [projects[0].credentials(f"user{number}") for number in range(_MANY)]
    async with server(projects[0]) as subject, connected(projects[0]) as counter:
        await _make_known(subject, of_many)
        row = await ratio_row(
            f"push of 1 change, gRPC, {_MANY} in flight over {_MANY} projects, {kind}",
            "pushes of as many users to one project",
            _PROJECTS[kind],
            "calls/s",
            bench.grpc_tool,
            bench.plan.rounds,
            await changes_per_second(bench, loading(bench, _pushes(of_one), subject), counter, 1),
            await changes_per_second(bench, loading(bench, _pushes(of_many), subject), counter, 1),
        )
    return [row]


async def _make_known(subject: Process, callers: Sequence[Headers]) -> None:
    """Push for one after the other: a server looks for few unknown keys at once."""
    async with aio.insecure_channel(subject.address) as channel:
        stub = sync_pb2_grpc.SyncServiceStub(channel)
        for caller in callers:
            await stub.Push(messages.push(1), metadata=caller)


def _pushes(callers: Sequence[Headers]) -> Unary:
    """Return pushes over a connection for each caller, one in flight on each, so that only the callers differ."""
    return Unary("Push", messages.push(1).SerializeToString(), callers, 1)
