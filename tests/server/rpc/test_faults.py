"""What clients are told when the server, its store or its clock is at fault."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from harness import Client, Server, change, now_ms, outcomes, refused, settings_for, started_server
from syncline_server.identity.projects import KeyKind, new_key
from syncline_server.store.postgresql.store import PostgresqlStore
from syncline_server.store.registry import SqlRegistry
from syncline_server.store.sqlite.store import SqliteStore
from syncline_server.sync.errors import StoreUnavailable

SECRET = "postgresql://admin:hunter2@10.0.0.5/prod"
SERVICE = "syncline.v1.SyncService"


def fails_with(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


def break_store(monkeypatch: pytest.MonkeyPatch, method: str, error: Exception) -> None:
    for store in (SqliteStore, PostgresqlStore):
        monkeypatch.setattr(store, method, fails_with(error))


CALLS: dict[str, Callable[[Client], Awaitable[object]]] = {
    "push": lambda client: client.push(change()),
    "pull": lambda client: client.pull("todo"),
    "stream": lambda client: client.stream("todo").read(),
}


@pytest.mark.parametrize(("method", "call"), [("writing", "push"), ("page", "pull"), ("page", "stream")])
async def test_a_defect_is_told_in_a_fixed_sentence(
    shared_server: Server, user: str, monkeypatch: pytest.MonkeyPatch, method: str, call: str
):
    async with shared_server.client(user) as client:
        break_store(monkeypatch, method, RuntimeError(f"cannot connect to {SECRET}"))
        told = await refused(CALLS[call](client))
        assert (told.code, told.reason, told.message) == ("INTERNAL", "INTERNAL", "Internal error.")
        assert list(told.metadata) == ["request_id"]
        assert "hunter2" not in str(told)


async def test_a_defect_in_finding_a_key_is_told_no_more_of(shared_server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(SqlRegistry, "find_key", fails_with(KeyError(SECRET)))
    async with shared_server.client() as client:
        client.metadata = (("x-api-key", new_key(KeyKind.CLIENT).text),)  # in no cache
        assert (await refused(client.pull("todo"))).message == "Internal error."


@pytest.mark.parametrize(("given", "is_taken"), [("abc-1.2_3", True), ("a b", False), ("x" * 65, False)])
async def test_a_defect_is_told_with_the_id_of_its_log_line(
    shared_server: Server, user: str, monkeypatch: pytest.MonkeyPatch, given: str, is_taken: bool
):
    break_store(monkeypatch, "page", RuntimeError(SECRET))
    async with shared_server.client(user) as client:
        client.metadata = (*client.metadata, ("x-request-id", given))
        told = await refused(client.pull("todo"))
        assert (told.metadata["request_id"] == given) == is_taken


async def test_a_store_that_is_away_is_worth_another_try(
    shared_server: Server, user: str, monkeypatch: pytest.MonkeyPatch
):
    async with shared_server.client(user, device="phone") as client:
        token = (await client.push(change())).checkpoint_token
        error = StoreUnavailable()
        error.__cause__ = ConnectionRefusedError(SECRET)
        break_store(monkeypatch, "page", error)
        break_store(monkeypatch, "writing", error)
        stream = client.stream("todo", checkpoint_token=token)
        for call in (client.push(change("create", "b")), client.pull("todo"), stream.read()):
            told = await refused(call)
            assert (told.code, told.reason, told.retry_seconds) == ("UNAVAILABLE", "STORE_UNAVAILABLE", 1.0)
            assert "hunter2" not in str(told)
        assert told.metadata == {"checkpoint_token": token}
        monkeypatch.undo()
        assert len((await client.pull("todo")).changes) == 1


async def test_calls_over_the_limit_are_told_when_to_come_back(database_url: str):
    async with started_server(settings_for(database_url, calls_per_minute=3)) as server, server.client("ada") as ada:
        for _ in range(3):
            await ada.pull("todo")
        for call in (ada.pull("todo"), ada.push(change()), ada.stream("todo").read()):
            told = await refused(call)
            assert (told.code, told.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
            assert told.metadata == {"scope": "user", "window_seconds": "60", "max": "3", "unit": "calls"}
            assert told.retry_seconds is not None
            assert 1 <= told.retry_seconds <= 120
        async with server.client("bob") as bob:
            await bob.pull("todo")


@pytest.fixture
async def channel(shared_server: Server):
    async with aio.insecure_channel(shared_server.address) as opened:
        yield opened


@pytest.mark.parametrize("name", ["", SERVICE])
async def test_health_is_served(channel: aio.Channel, name: str):
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_the_health_of_an_unknown_service_is_not_known(channel: aio.Channel):
    with pytest.raises(aio.AioRpcError) as told:
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="other"))
    assert told.value.code().name == "NOT_FOUND"


async def test_reflection_is_served(channel: aio.Channel):
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
    ]
    answers = [one async for one in stub.ServerReflectionInfo(iter(asked))]
    assert SERVICE in [one.name for one in answers[0].list_services_response.service]
    assert answers[1].file_descriptor_response.file_descriptor_proto


async def clock_ms(server: Server, what: str = "behind") -> int:
    """Return by how much the clock is behind the log, or has leapt, as the health details have it."""
    async with aio.insecure_channel(server.address) as channel:
        call = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        await call
        return int(dict(await call.trailing_metadata())[f"x-syncline-clock-{what}-ms"])


async def test_a_clock_that_leaps_ahead_stops_nothing_and_is_told_of_until_it_is_back(
    database_url: str, caplog: pytest.LogCaptureFixture
):
    offset_us = 0

    def clock_us() -> int:
        return time.time_ns() // 1000 + offset_us

    async with started_server(settings_for(database_url), clock_us=clock_us) as server, server.client() as client:
        for at, (ahead_seconds, told_ms) in enumerate(((0, 0), (30, 0), (3600, 3_570_000), (3600, 3_570_000), (0, 0))):
            offset_us = ahead_seconds * 1_000_000
            assert outcomes(await client.push(change("create", f"e{at}"))) == "a"
            assert abs(await clock_ms(server, "leapt") - told_ms) < 10_000
        assert caplog.text.count("the clock leapt ahead") == 1


async def test_a_clock_that_is_set_back_stops_nothing_and_is_told_of(database_url: str):
    offset_us = 0

    def clock_us() -> int:
        return time.time_ns() // 1000 + offset_us

    async with started_server(settings_for(database_url), clock_us=clock_us) as server, server.client() as client:
        before = await client.push(change("create", "a"))
        assert await clock_ms(server) == 0
        offset_us = -3_600_000_000
        heads = [(await client.push(change("create", f"b{at}", at_ms=now_ms()))).head_ms for at in range(5)]
        assert [before.head_ms, *heads] == sorted({before.head_ms, *heads})
        assert heads[-1] - before.head_ms < 1000
        assert 3_500_000 < await clock_ms(server) <= 3_600_010
        assert [one.entity_id for one in (await client.pull("todo")).changes] == ["a", *[f"b{at}" for at in range(5)]]
        offset_us = 1_000_000
        await client.push(change("create", "c"))
        assert await clock_ms(server) == 0


async def test_a_refused_push_among_many_answers_alone(shared_server: Server, user: str):
    async with shared_server.service() as service:
        calls = [service.push(change("create", "a"), user_id=f"{user}-{at}") for at in range(50)]
        calls.insert(25, service.push(change("create", "a"), user_id=f"{user}-x", expected_head_ms=1))
        answers = await asyncio.gather(*[refused(call) if at == 25 else call for at, call in enumerate(calls)])
        told = answers.pop(25)
        assert (told.code, told.reason, told.metadata) == ("ABORTED", "HEAD_MISMATCH", {"head_ms": "0"})
        assert all(answer.results[0].outcome == 1 for answer in answers)


async def test_of_many_pushes_of_one_user_only_the_last_of_a_millisecond_tells_it(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        answers = await asyncio.gather(*[client.push(change("create", f"e{at}")) for at in range(300)])
        pushed = sorted((answer.results[0].change.revision, answer.head_ms) for answer in answers)
        assert [one.revision for one in await client.pull_all("todo")] == [revision for revision, _ in pushed]
        last_of = {revision // 1000: revision for revision, _ in pushed}
        for revision, head_ms in pushed:
            is_last = revision == last_of[revision // 1000]
            before = max((ms for ms in last_of if ms < revision // 1000), default=0)
            assert head_ms == (revision // 1000 if is_last else before)
