"""What the bridge counts of its requests, and which of them it logs."""

import json

import httpx2
import pytest

from bridge.bridged import bridged_on
from harness import settings_for, started_server
from ports import free_address
from syncline_bridge.edge.metrics import NO_DIALECT, OTHER, Routes
from syncline_server.logs import configure_logs
from waiting import until


async def scraped(address: str) -> dict[str, float]:
    async with httpx2.AsyncClient() as http:
        text = (await http.get(f"http://{address}/metrics")).text
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def test_requests_are_counted_by_dialect_route_and_status_and_no_id_is_a_label(sqlite_url: str):
    metrics = free_address()
    async with started_server(settings_for(sqlite_url)) as server:
        headers = {"x-api-key": server.project.client_key, "authorization": f"Bearer {server.project.token()}"}
        async with bridged_on(server, http_metrics_address=metrics) as bridged:
            http = bridged.http
            for path in ("/client/sync?entity_type=todo", "/client/sync/?entity_type=todo", "/client/sync"):
                await http.get(path, headers=headers)
            await http.get("/client/entities/todo/my-secret-id", headers=headers)
            await http.get("/wp-login.php")
            await http.get("/healthz")
            async with http.stream("GET", "/client/sync/stream?entity_type=todo", headers=headers) as stream:
                await anext(stream.aiter_bytes())
                found = await scraped(metrics)
                assert (found["syncline_event_streams"], found["syncline_http_in_flight"]) == (1, 1)

            async def is_over() -> bool:
                return (await scraped(metrics))["syncline_event_streams"] == 0

            await until(is_over)
            found = await scraped(metrics)
    requests = {name: value for name, value in found.items() if name.startswith("syncline_http_requests_total")}
    sync = [value for name, value in requests.items() if 'route="/client/sync"' in name and 'status="200"' in name]
    assert sync == [2]
    assert [name for name in requests if 'route="/client/entities/{' in name and 'status="404"' in name]
    assert requests['syncline_http_requests_total{dialect="none",route="other",status="404"}'] == 1
    assert requests['syncline_http_requests_total{dialect="none",route="/healthz",status="200"}'] == 1
    assert found['syncline_refused_total{reason="REQUEST_INVALID"}'] == 1
    assert found['syncline_refused_total{reason="PATH_UNKNOWN"}'] == 1
    assert "my-secret-id" not in "".join(found)
    assert "php" not in "".join(found)
    assert found['syncline_http_request_seconds_count{dialect="none",route="/healthz"}'] == 1
    assert found["process_resident_memory_bytes"] > 0


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/a", ("one", "/a")),
        ("/a/", ("one", "/a")),
        ("/a/x", ("two", "/a/{id}")),
        ("/a/x/y", (NO_DIALECT, OTHER)),
        ("/", (NO_DIALECT, OTHER)),
    ],
)
def test_a_route_is_a_template(path: str, route: tuple[str, str]):
    assert Routes([("one", "/a"), ("two", "/a/{id}")]).of(path) == route


@pytest.mark.parametrize(("share", "lines"), [(0.0, 0), (1.0, 3)])
async def test_a_share_of_the_requests_that_go_well_is_logged(
    sqlite_url: str, capfd: pytest.CaptureFixture[str], share: float, lines: int
):
    configure_logs("info", "json")
    try:
        async with started_server(settings_for(sqlite_url)) as server, bridged_on(server, log_sample=share) as bridged:
            for _ in range(3):
                await bridged.http.get("/healthz")
    finally:
        configure_logs("warning", "json")
    logged = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    requests = [line for line in logged if line["event"] == "request"]
    assert [(line["path"], line["status"]) for line in requests] == [("/healthz", 200)] * lines
