"""While nothing can be written, pushes wait up to a bound; what comes beyond it is refused at once."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager

from harness import Client, FailedCall, Server, change, ids, make_project, refused, settings_for, started_server
from metrics import metric
from ports import free_address
from storage import nothing_can_be_written
from syncline_server.sync.changes import Push
from waiting import until

KIB = 1024
WAITING = 5
"""How many pushes there is room for."""

Waiting = set["asyncio.Task[FailedCall]"]


async def pushed(client: Client, **data: str) -> tuple[list[FailedCall], Waiting]:
    """Push 20 changes at once; return what those are told that are refused, and those that wait all the same."""
    waiting = {asyncio.create_task(refused(client.push(change("create", f"e{at}", data)))) for at in range(20)}
    told: list[FailedCall] = []
    while len(waiting) > WAITING:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        told += [task.result() for task in done]
    return told, waiting


@contextmanager
def no_search_for_cycles() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def pushes() -> set[int]:
    """Return which pushes are in memory."""
    return {id(kept) for kept in gc.get_objects() if isinstance(kept, Push)}


def is_overloaded(told: FailedCall) -> bool:
    return (told.code, told.reason, told.retry_seconds) == ("UNAVAILABLE", "OVERLOADED", 1.0)


async def test_pushes_over_the_bound_are_refused_while_those_before_them_wait(database_url: str):
    settings = settings_for(database_url, max_project_waiting_pushes=WAITING)
    async with started_server(settings) as server, server.client(device="a") as client:
        await client.push(change("create", "first"))
        async with nothing_can_be_written(database_url):
            told, waiting = await pushed(client)
            assert all(map(is_overloaded, told))
            assert {(await task).reason for task in waiting} == {"STORE_UNAVAILABLE"}
        await client.push(change("create", "last"))
        assert ids((await client.pull("todo")).changes) == ["first", "last"]


async def test_large_pushes_are_refused_sooner(database_url: str):
    settings = settings_for(database_url, max_project_waiting_bytes=1024 * KIB)
    async with (
        started_server(settings) as server,
        server.client(device="a") as client,
        nothing_can_be_written(database_url),
    ):
        told, waiting = await pushed(client, text="x" * 200 * KIB)
        assert all(map(is_overloaded, told))
        await asyncio.wait(waiting)


async def test_another_project_has_room_of_its_own(database_url: str):
    settings = settings_for(database_url, max_project_waiting_pushes=WAITING)
    async with started_server(settings) as server, server.client(device="a") as client:
        other = Server(server.address, await make_project(settings, "other"), settings)
        async with nothing_can_be_written(database_url), other.client(device="b") as neighbour:
            _, waiting = await pushed(client)
            assert (await refused(neighbour.push(change()))).reason == "STORE_UNAVAILABLE"
            await asyncio.wait(waiting)


async def test_what_was_refused_is_let_go_of_at_once(database_url: str):
    async with started_server(settings_for(database_url)) as server, server.client(device="a") as client:
        with no_search_for_cycles():
            of_other_tests = pushes()
            async with nothing_can_be_written(database_url):
                told = await asyncio.gather(*(refused(client.push(change("create", f"e{at}"))) for at in range(20)))
            assert {each.code for each in told} == {"UNAVAILABLE"}
            assert pushes() <= of_other_tests


async def test_metrics_show_what_waits_and_what_was_refused(database_url: str):
    settings = settings_for(database_url, max_waiting_pushes=WAITING, metrics_address=free_address())
    async with started_server(settings) as server, server.client(device="a") as client:
        async with nothing_can_be_written(database_url):
            _, waiting = await pushed(client)
            assert await metric(settings.metrics_address, "syncline_waiting_pushes") == WAITING
            assert await metric(settings.metrics_address, "syncline_waiting_bytes") > 0
            assert await metric(settings.metrics_address, "syncline_overloaded_total") == 20 - WAITING
            await asyncio.wait(waiting)

        async def nothing_waits() -> bool:
            return await metric(settings.metrics_address, "syncline_waiting_pushes") == 0

        await until(nothing_waits)
