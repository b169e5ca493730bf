"""Rows of reading over gRPC: pages, deltas, and streams of everything."""

from typing import Final

from grpc import aio

from bench import load
from bench.answers import grpc_floor
from bench.checks import WrongAnswers, answered
from bench.driver import connected, fetched_per_second
from bench.load import Unary
from bench.measure import Measure, Measured, Row, Wanted, ratio_row
from bench.plan import Bench
from bench.processes import Process, server
from bench.rates import answers_per_second, loading
from bench.stores import READER, Seeded
from bench.streams import grown_by
from syncline.v1 import sync_pb2, sync_pb2_grpc

_CALLERS: Final = 16
_IN_FLIGHT: Final = 64
_PAGE: Final = 100
_DELTA: Final = 10
_FETCHED_AT_ONCE: Final = 1_000
_STREAM_SECONDS: Final = 300
_MICROSECONDS: Final = 1_000_000


async def page(bench: Bench, kind: str) -> list[Row]:
    """Measure pulls of a page of 100."""
    seeded = await bench.stores.seeded(kind, bench.plan.store_entities)
    async with server(seeded.project) as subject:
        pulls, answer = await pulls_of_last(seeded, subject, 5 * _PAGE)
        async with grpc_floor(bench, pulled=answer) as empty:
            row = await ratio_row(
                f"pull of a page of {_PAGE}, gRPC, {_IN_FLIGHT} in flight, {kind}",
                "empty handler with the same page",
                Wanted(0.50, "at least"),
                "calls/s",
                bench.grpc_tool,
                bench.plan.rounds,
                await answers_per_second(bench, loading(bench, pulls, empty), answer),
                await answers_per_second(bench, loading(bench, pulls, subject), answer),
            )
    return [row]


async def delta(bench: Bench, kind: str) -> list[Row]:
    """Measure pulls of the last 10 changes, in a large store beside a small one."""
    small = await bench.stores.seeded(kind, bench.plan.small_store_entities)
    large = await bench.stores.seeded(kind, bench.plan.store_entities)
    async with server(small.project) as floor, server(large.project) as subject:
        small_rate = await pulls_per_second(bench, small, floor, _DELTA)
        large_rate = await pulls_per_second(bench, large, subject, _DELTA)

        async def small_us() -> Measured:
            return _call_us(await small_rate())

        async def large_us() -> Measured:
            return _call_us(await large_rate())

        row = await ratio_row(
            f"delta pull of {_DELTA} changes, {large.entities:,} entities in the store, {kind}",
            f"the time with {small.entities:,}",
            Wanted(1.2, "at most"),
            "µs a call",
            bench.grpc_tool,
            bench.plan.rounds,
            small_us,
            large_us,
        )
    return [row]


async def stream(bench: Bench, kind: str) -> list[Row]:
    """Measure streams of everything: changes a second, and what the first adds to the server's memory."""
    seeded = await bench.stores.seeded(kind, bench.plan.store_entities)
    changes = min(bench.plan.stream_changes, seeded.entities)
    after = seeded.before_last(changes)
    request = sync_pb2.StreamPullRequest(after_revision=after)
    pulls = Unary("StreamPull", request.SerializeToString(), [seeded.project.credentials(READER)], 1)
    async with server(seeded.project) as subject, connected(seeded.project) as driver:
        grown = await grown_by(subject, seeded.project, READER, after, changes)

        async def fetched() -> Measured:
            rate, rows = await fetched_per_second(driver, READER, after, _FETCHED_AT_ONCE)
            if rows != changes:
                raise WrongAnswers(f"{rows} rows instead of {changes}")
            return Measured(rate)

        async def streamed() -> Measured:
            one = load.once(pulls, subject.address, _STREAM_SECONDS, bench.grpc_tool)
            return Measured(changes / (await answered(one, grown.received_bytes)).seconds)

        row = await ratio_row(
            f"stream pull of {changes:,} changes, {kind}",
            f"driver's fetch of the rows in pages of {_FETCHED_AT_ONCE:,}",
            Wanted(0.50, "at least"),
            "changes/s",
            bench.grpc_tool,
            bench.plan.rounds,
            fetched,
            streamed,
        )
    work = f"full pull of {changes:,} changes, growth of the server's memory, {kind}"
    return [row, Row(work, "", Wanted(64, "at most"), [grown.mib], "MiB", load="python")]


def _call_us(rate: Measured) -> Measured:
    return Measured(_MICROSECONDS / rate.figure if rate.figure else 0.0, rate.cpu_us)


async def pulls_of_last(seeded: Seeded, subject: Process, changes: int) -> tuple[Unary, bytes]:
    """Return pulls by token that so many changes follow, and the server's answer to one."""
    metadata = seeded.project.credentials(READER)
    async with aio.insecure_channel(subject.address) as channel:
        stub = sync_pb2_grpc.SyncServiceStub(channel)
        before = sync_pb2.PullRequest(after_revision=seeded.before_last(changes + 1), page_size=1)
        token = (await stub.Pull(before, metadata=metadata)).checkpoint_token
        request = sync_pb2.PullRequest(checkpoint_token=token)
        answer = await stub.Pull(request, metadata=metadata)
    if len(answer.changes) != min(changes, _PAGE):
        raise WrongAnswers(f"{len(answer.changes)} changes")
    pulls = Unary("Pull", request.SerializeToString(), [metadata] * _CALLERS, _IN_FLIGHT // _CALLERS)
    return pulls, answer.SerializeToString()


async def pulls_per_second(bench: Bench, seeded: Seeded, subject: Process, changes: int) -> Measure:
    """Return what measures pulls by token that so many changes follow."""
    pulls, answer = await pulls_of_last(seeded, subject, changes)
    return await answers_per_second(bench, loading(bench, pulls, subject), answer)
