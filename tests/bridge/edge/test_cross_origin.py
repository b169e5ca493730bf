"""What pages of other origins may do, in each part of the paths."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from structlog.testing import capture_logs

from bridge.bridged import client_of_bridge_on

NOWHERE = "127.0.0.1:1"
APP = "https://app.example"
SHOWN = "Date, ETag, RateLimit, RateLimit-Policy, Retry-After, X-Ignored-Parameters, X-Request-Id"
CHECKPOINT, MUTATION = "/v1/client/sync", "/v1/sync"


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of_bridge_on(NOWHERE, cors_origins=(APP,)) as http:
        yield http


async def preflight(http: httpx2.AsyncClient, path: str, method: str, header: str) -> int:
    asked = {"origin": APP, "access-control-request-method": method, "access-control-request-headers": header}
    return (await http.options(path, headers=asked)).status_code


async def test_only_listed_origins_may_call(client: httpx2.AsyncClient) -> None:
    ours = await client.get(CHECKPOINT, headers={"origin": APP})
    other = await client.get(CHECKPOINT, headers={"origin": "https://evil.example"})
    assert ours.headers["access-control-allow-origin"] == APP
    assert "access-control-allow-origin" not in other.headers


REFUSED = ["https://evil.example", "null", "https://app.example.evil.example", "http://localhost.evil.example"]
LOCAL = [
    "http://localhost",
    "http://localhost:5173",
    "https://127.0.0.1:3000",
    "http://[::1]:8081",
    "http://a.localhost",
]


@pytest.mark.parametrize("origin", REFUSED)
@pytest.mark.parametrize("path", [CHECKPOINT, MUTATION, "/healthz", "/nothing"])
async def test_a_refused_origin_is_told_what_to_do(client: httpx2.AsyncClient, path: str, origin: str) -> None:
    answer = await client.options(path, headers={"origin": origin, "access-control-request-method": "GET"})
    sentence = f"browser origin {origin} refused: set SYNCLINE_CORS_ORIGINS"
    assert (answer.status_code, sentence in answer.text) == (403, True)
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("origin", LOCAL)
async def test_pages_of_this_machine_may_call_a_server_that_it_alone_reaches(
    client: httpx2.AsyncClient, origin: str
) -> None:
    asked = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}
    answer = await client.options(CHECKPOINT, headers=asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
    assert "access-control-allow-credentials" not in answer.headers


async def test_pages_of_this_machine_may_not_call_a_server_that_others_reach() -> None:
    async with client_of_bridge_on(NOWHERE, http_address="0.0.0.0:0") as http:
        for origin in LOCAL:
            asked = {"origin": origin, "access-control-request-method": "POST"}
            assert (await http.options(CHECKPOINT, headers=asked)).status_code == 403


async def test_only_listed_origins_may_send_credentials_of_the_browsers_own(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/healthz", headers={"origin": APP})).headers["access-control-allow-credentials"] == "true"
    async with client_of_bridge_on(NOWHERE, cors_origins=("*",)) as http:
        answer = await http.get("/healthz", headers={"origin": "https://any.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_refused_origin_is_logged_once_and_in_one_line() -> None:
    with capture_logs() as lines:
        async with client_of_bridge_on(NOWHERE) as http:
            for _ in range(3):
                await http.get("/healthz", headers={"origin": "https://logged.example"})
            await http.get("/healthz", headers=[(b"origin", b"https://\xff")])
            own = str(http.base_url).rstrip("/")
            await http.get("/healthz", headers={"origin": own})
    assert [line["event"] for line in lines if "origin" in line["event"]] == [
        "browser origin https://logged.example refused: set SYNCLINE_CORS_ORIGINS",
        "browser origin (malformed) refused: set SYNCLINE_CORS_ORIGINS",
    ]


@pytest.mark.parametrize("path", [CHECKPOINT, MUTATION])
@pytest.mark.parametrize(
    ("method", "status"), [("GET", 200), ("HEAD", 200), ("POST", 200), ("PUT", 400), ("DELETE", 400)]
)
async def test_a_dialect_takes_its_own_methods(client: httpx2.AsyncClient, path: str, method: str, status: int) -> None:
    assert await preflight(client, path, method, "content-type") == status


@pytest.mark.parametrize(
    ("path", "header", "status"),
    [
        (CHECKPOINT, "x-api-key", 200),
        (CHECKPOINT, "last-event-id", 200),
        (CHECKPOINT, "x-client-id", 400),
        (MUTATION, "x-client-id", 200),
        (MUTATION, "x-api-key", 400),
        ("/healthz", "authorization", 400),
        ("/healthz", "x-request-id", 200),
    ],
)
async def test_a_dialect_takes_its_own_headers(client: httpx2.AsyncClient, path: str, header: str, status: int) -> None:
    assert await preflight(client, path, "GET", header) == status


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (CHECKPOINT, SHOWN),
        (MUTATION, f"X-Mutation-At, {SHOWN}"),
        ("/healthz", SHOWN),
    ],
)
async def test_a_page_sees_what_the_dialect_shows(client: httpx2.AsyncClient, path: str, shown: str) -> None:
    answer = await client.get(path, headers={"origin": APP})
    assert answer.headers["access-control-expose-headers"] == shown
    assert answer.headers["date"]


async def test_what_a_page_that_is_let_in_may_not_do_is_logged() -> None:
    with capture_logs() as lines:
        async with client_of_bridge_on(NOWHERE, cors_origins=(APP,)) as http:
            for header in ("x-api-key, X-User-Id", "x-api-key", "accept, x y"):
                await preflight(http, CHECKPOINT, "POST", header)
            await preflight(http, CHECKPOINT, "PUT", "x-api-key")
    assert [line["event"] for line in lines if "origin" in line["event"]] == [
        f"browser origin {APP} refused: pages may not send X-User-Id there",
        f"browser origin {APP} refused: pages may not send (malformed) there",
        f"browser origin {APP} refused: pages may not use PUT there",
    ]
