"""Every row of the dialect's error table through HTTP: always JSON, and internals never show."""

import asyncio
from typing import Any

import httpx2
import pytest
from grpc import StatusCode

from bridge.bridged import Bridged, bridged_on, client_of_bridge_on
from bridge.dialects.checkpoint_sync.app import App, edit, refusal
from bridge.faults import SECRET, database_away, failing_server, served
from harness import Server, settings_for, started_server
from storage import nothing_can_be_written

TABLE = {
    400: "INVALID_INPUT",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    413: "PAYLOAD_TOO_LARGE",
    429: "RATE_LIMITED",
    500: "SYNC_FAILED",
    503: "SYNC_FAILED",
}


def checked(response: httpx2.Response, status: int) -> str:
    """Check that a failure is worded as its status is; return the message."""
    got, code, message = refusal(response)
    assert (got, code) == (status, TABLE[status]), response.text
    assert not any(secret in response.text for secret in (SECRET, "127.0.0.1", "asyncpg", "sqlite", "Traceback"))
    return message


async def both(http: httpx2.AsyncClient, headers: dict[str, str]) -> list[httpx2.Response]:
    """Send a good GET and a good POST."""
    return [
        await http.get("/client/sync?entity_type=todo", headers=headers),
        await http.post("/v1/client/sync", json={"changes": [edit()]}, headers=headers),
    ]


@pytest.mark.parametrize(
    ("changed", "cause", "message"),
    [
        ({"x-api-key": ""}, "missing", "The API key is missing."),
        ({"x-api-key": "sl_client_0_0"}, "unknown", "The API key is not known."),
        (
            {"x-api-key": "unheard-of"},
            "malformed",
            "The API key is malformed, keys begin with sl_client_ or sl_server_.",
        ),
        ({"authorization": ""}, "missing", "The session token is missing."),
        ({"authorization": "Bearer garbage"}, "malformed", "The session token is malformed."),
        ({"authorization": "Basic YTpi"}, "scheme", "The session token has to come as `Bearer <token>`."),
    ],
)
async def test_bad_credentials_are_401_and_say_what_is_wrong(
    bridged: Bridged, app: App, changed: dict[str, str], cause: str, message: str
) -> None:
    for response in await both(bridged.http, {**app.headers, **changed}):
        assert checked(response, 401) == message
        assert response.json()["error"]["details"] == {"cause": cause}


async def test_an_expired_session_is_401(bridged: Bridged, user: str) -> None:
    for response in await both(bridged.http, App(bridged, user, ttl=-1).headers):
        assert checked(response, 401) == "The session token has expired."


async def test_a_type_that_the_session_may_not_use_is_403(bridged: Bridged, user: str) -> None:
    limited = App(bridged, user, scope="sync note")
    for response in await both(bridged.http, limited.headers):
        checked(response, 403)
    assert (await limited.get(entity_type="note")).status_code == 200


async def test_more_than_the_server_takes_is_413(database_url: str, user: str) -> None:
    settings = settings_for(database_url, max_message_bytes=2048)
    async with started_server(settings) as server, bridged_on(server) as bridged:
        app = App(bridged, user)
        checked(await app.post(edit(data={"a": "x" * 4096})), 413)
        assert (await app.post(edit())).status_code == 200


async def test_too_many_calls_are_429_with_details(database_url: str, user: str) -> None:
    async with started_server(settings_for(database_url, calls_per_minute=2)) as server, bridged_on(server) as bridged:
        app = App(bridged, user)
        for _ in range(2):
            assert (await app.get()).status_code == 200
        for response in await both(bridged.http, app.headers):
            checked(response, 429)
            details = response.json()["error"]["details"]
            seconds = details.pop("retry_after_seconds")
            assert details == {"scope": "user", "window": "60s", "max": 2}
            assert response.headers["retry-after"] == str(seconds)


async def test_a_database_that_is_away_is_503_with_retry_after(server: Server, user: str, postgres: Any) -> None:
    async with bridged_on(server) as bridged:
        app = App(bridged, user)
        await app.push(edit(data={"n": 1}))
        async with database_away(str(server.settings.database), postgres):
            response = await app.post(edit(entity_id="t2"))
            checked(response, 503)
            assert int(response.headers["retry-after"]) >= 1
        pushed = await served(lambda: app.post(edit(entity_id="t2")))
        assert pushed.json()["data"]["applied"] == 1
        pulled = await served(app.get)
        assert len(pulled.json()["data"]["changes"]) == 2


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        (StatusCode.PERMISSION_DENIED, "SERVER_KEY_REQUIRED", 403),
        (StatusCode.PERMISSION_DENIED, "USER_FORBIDDEN", 403),
        (StatusCode.RESOURCE_EXHAUSTED, "", 413),
        (StatusCode.INTERNAL, "INTERNAL", 500),
        (StatusCode.INTERNAL, "", 500),
        (StatusCode.UNKNOWN, "", 500),
        (StatusCode.UNIMPLEMENTED, "", 500),
        (StatusCode.UNAVAILABLE, "", 503),
        (StatusCode.UNAVAILABLE, "DRAINING", 503),
        (StatusCode.UNAVAILABLE, "OVERLOADED", 503),
        (StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", 503),
        (None, "", 503),
    ],
)
async def test_a_server_that_fails_is_told_without_its_words(code: StatusCode | None, reason: str, status: int) -> None:
    deadlines = {"push_deadline_seconds": 0.2, "pull_deadline_seconds": 0.2}
    async with failing_server(code, reason) as target, client_of_bridge_on(target, **deadlines) as http:
        for response in await both(http, {"x-api-key": "any"}):
            message = checked(response, status)
            assert status != 500 or message == "Sync failed. The request id tells the operator more."
            assert ("retry-after" in response.headers) is (status == 503)


async def test_a_push_that_there_is_no_room_for_is_503_with_the_time_to_wait(sqlite_url: str) -> None:
    async with started_server(settings_for(sqlite_url, max_waiting_pushes=1)) as server, bridged_on(server) as bridged:
        ada = App(bridged, "ada")
        async with nothing_can_be_written(sqlite_url):
            sent = [
                bridged.http.post("/client/sync", json={"changes": [edit()]}, headers=ada.headers) for _ in range(2)
            ]
            for response in await asyncio.gather(*sent):
                checked(response, 503)
                assert response.headers["retry-after"] == "1"
