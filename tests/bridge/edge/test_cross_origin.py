"""What pages of other origins may do, in each part of the paths."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from bridge.bridged import client_of_bridge_on

NOWHERE = "127.0.0.1:1"
APP = "https://app.example"
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


@pytest.mark.parametrize("path", [CHECKPOINT, MUTATION])
@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 200), ("PUT", 400), ("DELETE", 400)])
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
        (CHECKPOINT, "Date, Retry-After, X-Request-Id"),
        (MUTATION, "X-Mutation-At, Date, Retry-After, X-Request-Id"),
        ("/healthz", "Date, Retry-After, X-Request-Id"),
    ],
)
async def test_a_page_sees_what_the_dialect_shows(client: httpx2.AsyncClient, path: str, shown: str) -> None:
    answer = await client.get(path, headers={"origin": APP})
    assert answer.headers["access-control-expose-headers"] == shown
    assert answer.headers["date"]
