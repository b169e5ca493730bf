"""What a server counts, as Prometheus reads it."""

import json
from contextlib import suppress

import pytest
from grpc import aio

from bridge.edge.test_metrics import scraped
from harness import Server, change, make_project, opened_engines, refused, settings_for, started_server
from ports import free_address
from syncline_server.logs import configure_logs
from syncline_server.operate import backups
from syncline_server.rpc.ends import count_failure
from syncline_server.rpc.metrics import Metrics
from syncline_server.sync.errors import StoreUnavailable
from waiting import until


class DriverError(Exception):
    """An error of a driver, wrapped as SQLAlchemy does."""

    def __init__(self, sqlstate: str | None) -> None:
        self.orig = type("Original", (), {"sqlstate": sqlstate})()


async def test_a_server_tells_how_it_does(database_url: str):
    settings = settings_for(database_url, metrics_address=free_address(), calls_per_minute=8)
    assert settings.metrics_address
    project = await make_project(settings, "notes")
    async with opened_engines(settings) as engines:
        await backups.note_backup(engines, "test")
    async with started_server(settings, project) as server:
        async with server.client() as client:
            for number in range(3):
                await client.push(change(entity_id=f"e{number}"))
            await client.push(change("delete", "e0"))
            token = (await client.pull("todo")).checkpoint_token
            assert (await refused(client.pull("todo", checkpoint_token=token[:-4] + "AAAA"))).reason
            stream = client.stream("todo", follow=True)
            await stream.read()
            stream.cancel()
            for _ in range(10):
                with suppress(aio.AioRpcError):
                    await client.pull("todo")

        async def has_ended() -> bool:
            return (await scraped(address)).get('syncline_streams_ended_total{reason="CANCELLED"}', 0) == 1

        address = settings.metrics_address
        await until(has_ended)
        await until(lambda: is_counted(address))
        found = await scraped(address)
    assert found["syncline_ready"] == 1
    assert found["syncline_commit_seconds_count"] >= 4
    assert found["syncline_commit_pushes_sum"] >= 4
    assert found["syncline_head_wait_seconds_count"] >= 4
    assert found['syncline_checkpoint_rejected_total{reason="invalid"}'] == 1
    assert found["syncline_rate_limited_total"] >= 1
    assert found["syncline_session_lag_seconds_count"] >= 1
    assert found["syncline_epoch_number"] >= 1
    assert found["syncline_last_backup_timestamp"] > 1_700_000_000
    assert found["syncline_notifications_connected"] == 1
    assert found['syncline_pool_connections{pool="reading",state="most"}'] == 8
    assert (found["syncline_wal_bytes"] > 0) is database_url.startswith("sqlite")
    assert found["process_open_fds"] > 0
    assert [name for name in found if name.startswith("syncline_build_info{version=")]


async def is_counted(address: str) -> bool:
    """Tell whether the census has been taken; it may have been before the pushes."""
    return 'syncline_entities{project="notes",state="live"}' in await scraped(address)


async def test_the_census_counts_what_there_is(database_url: str):
    settings = settings_for(database_url)
    project = await make_project(settings, "notes")
    async with started_server(settings, project) as server, server.client() as client:
        await client.push(change(entity_id="a"), change(entity_id="b", data={"a": 1}))
        await client.push(change("delete", "a"))
    counted = settings_for(database_url, metrics_address=free_address())
    async with started_server(counted, project):
        await until(lambda: is_counted(str(counted.metrics_address)))
        found = await scraped(str(counted.metrics_address))
    assert found['syncline_entities{project="notes",state="live"}'] == 1
    assert found['syncline_entities{project="notes",state="tombstone"}'] == 1
    assert found['syncline_stored_bytes{project="notes"}'] == len('{"a": 1}') + 2


@pytest.mark.parametrize(
    ("cause", "counted"), [(DriverError("40P01"), "40"), (DriverError(None), "none"), (OSError("disk"), "none")]
)
def test_what_the_database_fails_is_counted_by_the_class_of_its_error(cause: Exception, counted: str):
    metrics, failed = Metrics(), StoreUnavailable()
    failed.__cause__ = cause
    count_failure(metrics, failed)
    (name,) = [sample.labels for family in metrics.store_errors.collect() for sample in family.samples[:1]]
    assert name == {"sqlstate_class": counted}


@pytest.mark.parametrize(("share", "lines"), [(0.0, 0), (1.0, 2)])
async def test_a_share_of_the_calls_that_go_well_is_logged(
    sqlite_url: str, capfd: pytest.CaptureFixture[str], share: float, lines: int
):
    configure_logs("info", "json")
    try:
        async with started_server(settings_for(sqlite_url, log_sample=share)) as server:
            await push_and_pull(server)
    finally:
        configure_logs("warning", "json")
    logged = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    calls = [line for line in logged if line["event"] == "call"]
    assert len(calls) == lines
    for call in calls:
        assert call.keys() >= {"method", "code", "duration_ms", "request_id", "timestamp", "level"}


async def push_and_pull(server: Server) -> None:
    async with server.client() as client:
        await client.push(change())
        await client.pull("todo")
