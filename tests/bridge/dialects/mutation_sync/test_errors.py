"""Every status of the dialect through a real bridge, each with its type, its code and the one body shape."""

from typing import Any

import httpx2
import pytest
from grpc import StatusCode

from bridge.bridged import Bridged, bridged_on, client_of_bridge_on
from bridge.dialects.mutation_sync.app import App, note, refusal
from bridge.faults import SECRET, database_away, failing_server, served
from harness import Server, settings_for, started_server
from syncline_bridge.dialects.mutation_sync.errors import LABELS, ROWS
from syncline_bridge.status import TABLE

CODES = {
    400: ("invalid_request", "invalid_request"),
    401: ("unauthorized", "unauthorized"),
    403: ("forbidden", "forbidden"),
    404: ("not_found", "not_found"),
    409: ("conflict", "OutOfSyncError"),
    422: ("unprocessable_entity", "ValidationError"),
    429: ("rate_limit_exceeded", "rate_limit_exceeded"),
    500: ("internal_server_error", "internal_server_error"),
    502: ("bad_gateway", "bad_gateway"),
    503: ("service_unavailable", "service_unavailable"),
    504: ("gateway_timeout", "gateway_timeout"),
}


def checked(response: httpx2.Response, status: int) -> str:
    """Check that a failure is worded as its status is; return the message."""
    assert response.headers["content-type"] == "application/json"
    got, kind, message = refusal(response)
    assert got == status, response.text
    assert (kind, response.json()["error"]["code"]) == CODES[status]
    assert message
    assert not any(secret in response.text for secret in (SECRET, "127.0.0.1", "asyncpg", "sqlite", "Traceback"))
    return message


async def both(http: httpx2.AsyncClient, headers: dict[str, str]) -> list[httpx2.Response]:
    """Send a good GET and a good POST."""
    return [
        await http.get("/v1/sync?mutationsSince=0", headers=headers),
        await http.post("/v1/sync?lastMutationAt=-1", json={"mutations": [note()]}, headers=headers),
    ]


async def test_a_missing_client_id_is_400_before_anything_else(bridged: Bridged, app: App) -> None:
    without = {"x-auth-token": app.headers["x-auth-token"]}
    for response in await both(bridged.http, without):
        assert checked(response, 400) == "Missing x-client-id"
    checked(await bridged.http.post("/v1/sync", headers=without), 400)
    checked(await bridged.http.get("/v1/sync", headers={**without, "x-client-id": ""}), 400)


@pytest.mark.parametrize(
    "changed",
    [
        {"x-client-id": "unheard-of"},
        {"x-auth-token": ""},
        {"x-auth-token": "garbage"},
        {"x-auth-token": "", "authorization": "Basic YTpi"},
    ],
)
async def test_bad_credentials_are_401(bridged: Bridged, app: App, changed: dict[str, str]) -> None:
    for response in await both(bridged.http, {**app.headers, **changed}):
        assert checked(response, 401).startswith(("The API key ", "The session token "))
        assert response.json()["details"]["cause"] in {"malformed", "missing", "scheme"}


async def test_an_expired_token_is_401(bridged: Bridged, user: str) -> None:
    for response in await both(bridged.http, App(bridged, user, ttl=-1).headers):
        assert checked(response, 401) == "The session token has expired."


async def test_the_token_may_come_as_a_bearer(bridged: Bridged, app: App) -> None:
    token = app.headers["x-auth-token"]
    alone = {"x-client-id": app.headers["x-client-id"], "authorization": f"Bearer {token}"}
    for headers in (alone, {**app.headers, **alone}, {**app.headers, "authorization": "Bearer stale"}):
        assert (await bridged.http.get("/v1/sync?mutationsSince=0", headers=headers)).status_code == 200


async def test_a_server_key_without_a_user_is_refused(bridged: Bridged) -> None:
    for response in await both(bridged.http, {"x-client-id": bridged.server.project.server_key}):
        checked(response, 401)


@pytest.mark.parametrize("path", ["/v1/sync/other", "/auth", "/auth/v1/other"])
async def test_unknown_paths_are_404_in_this_dialect(bridged: Bridged, path: str) -> None:
    checked(await bridged.http.get(path), 404)


@pytest.mark.parametrize("path", ["/v1/sync", "/v1/sync/", "/auth/v1/sync"])
async def test_other_methods_are_405_and_named(bridged: Bridged, path: str) -> None:
    response = await bridged.http.put(path)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, POST")
    assert refusal(response)[1] == "method_not_allowed"


async def test_too_many_calls_are_429_with_retry_after(database_url: str, user: str) -> None:
    async with started_server(settings_for(database_url, calls_per_minute=2)) as server, bridged_on(server) as bridged:
        app = App(bridged, user)
        for _ in range(2):
            await app.get()
        for response in await both(bridged.http, app.headers):
            checked(response, 429)
            assert 1 <= int(response.headers["retry-after"]) <= 120


async def test_a_database_that_is_away_is_503_with_retry_after(server: Server, user: str, postgres: Any) -> None:
    async with bridged_on(server) as bridged:
        app = App(bridged, user)
        assert (await app.post(-1, note())).status_code == 200
        async with database_away(str(server.settings.database), postgres):
            response = await app.post(await _head_or_none(app), note())
            checked(response, 503)
            assert int(response.headers["retry-after"]) >= 1
        at = (await served(app.get)).headers["x-mutation-at"]
        assert (await served(lambda: app.post(at, note()))).status_code == 200


async def _head_or_none(app: App) -> int:
    """Return the head where it can be read: SQLite can be read while nobody can write."""
    response = await app.get(metadataOnly="true")
    return int(response.json()["data"]["lastMutationAt"]) if response.status_code == 200 else 1


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        (StatusCode.INTERNAL, "INTERNAL", 500),
        (StatusCode.INTERNAL, "", 500),
        (StatusCode.UNIMPLEMENTED, "", 502),
        (StatusCode.UNKNOWN, "", 502),
        (StatusCode.DATA_LOSS, "", 502),
        (StatusCode.UNAVAILABLE, "", 503),
        (StatusCode.UNAVAILABLE, "DRAINING", 503),
        (StatusCode.UNAVAILABLE, "OVERLOADED", 503),
        (StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", 503),
        (StatusCode.CANCELLED, "", 503),
        (StatusCode.DEADLINE_EXCEEDED, "", 504),
        (StatusCode.PERMISSION_DENIED, "SERVER_KEY_REQUIRED", 403),
        (StatusCode.PERMISSION_DENIED, "USER_FORBIDDEN", 403),
        (None, "", 504),
    ],
)
async def test_a_server_that_fails_is_told_in_a_fixed_sentence(
    code: StatusCode | None, reason: str, status: int
) -> None:
    deadlines = {"push_deadline_seconds": 0.2, "pull_deadline_seconds": 0.2}
    async with failing_server(code, reason) as target, client_of_bridge_on(target, **deadlines) as http:
        for response in await both(http, {"x-client-id": "any"}):
            checked(response, status)
            assert ("retry-after" in response.headers) is (status in {503, 504})


async def test_a_server_that_is_away_is_503() -> None:
    async with client_of_bridge_on("127.0.0.1:1") as http:
        for response in await both(http, {"x-client-id": "any"}):
            checked(response, 503)


def test_every_status_of_the_specification_has_its_words() -> None:
    assert {status: tuple(words) for status, words in LABELS.items() if status in CODES} == CODES


def test_every_failure_that_can_happen_has_words() -> None:
    statuses = {row.http_status for row in TABLE.values()} | {row.http_status for row in ROWS.values()}
    assert statuses | {405, 408, 422} <= LABELS.keys()
