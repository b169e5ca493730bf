"""What the bridge answers by itself, over a real socket, with no server behind it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing

import httpx2
import pytest

from bridge.bridged import bridge_on

MAX_BODY_BYTES = 1_000
SYNC = "/v1/client/sync"
NOWHERE = "127.0.0.1:1"


@pytest.fixture(scope="module")
async def address() -> AsyncIterator[str]:
    async with bridge_on(NOWHERE, max_body_bytes=MAX_BODY_BYTES, body_read_timeout_seconds=0.1) as bound:
        yield bound


@pytest.fixture
async def client(address: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=f"http://{address}") as opened:
        yield opened


async def raw(address: str, request: bytes) -> bytes:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    with closing(writer):
        writer.write(request)
        return await reader.read()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "PATH_UNKNOWN"),
        ("GET", "/client", 404, "NOT_FOUND"),
        ("GET", "/client/sync/", 400, "INVALID_INPUT"),
        ("GET", "/client/sync//", 404, "NOT_FOUND"),
        ("POST", "/v1/client/other", 404, "NOT_FOUND"),
        ("PUT", SYNC, 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/client/sync", 405, "METHOD_NOT_ALLOWED"),
        ("POST", SYNC, 400, "INVALID_INPUT"),
        ("GET", SYNC, 400, "INVALID_INPUT"),
        ("GET", f"{SYNC}?entity_type=todo", 503, "SYNC_FAILED"),
    ],
)
async def test_every_failure_is_json_in_the_dialects_shape(
    client: httpx2.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    response = await client.request(method, path)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.json()["error"]["message"]
    assert response.headers["cache-control"] == "no-store"


async def test_405_names_the_methods_of_the_path(client: httpx2.AsyncClient) -> None:
    assert (await client.put(SYNC)).headers["allow"] == "GET, HEAD, POST"


async def test_a_server_that_is_away_is_503_with_retry_after(client: httpx2.AsyncClient) -> None:
    response = await client.post(SYNC, json={"changes": []})
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "127.0.0.1" not in response.text


@pytest.mark.parametrize(("size", "status"), [(MAX_BODY_BYTES, 400), (MAX_BODY_BYTES + 1, 413)])
@pytest.mark.parametrize("chunked", [False, True])
async def test_the_body_limit_holds_with_and_without_an_announced_length(
    client: httpx2.AsyncClient, size: int, status: int, chunked: bool
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, size, 100):
            yield b"x" * min(100, size - start)

    response = await client.post(SYNC, content=pieces() if chunked else b"x" * size)
    assert response.status_code == status


async def test_a_body_that_does_not_arrive_is_408(address: str) -> None:
    answer = await raw(address, b"POST /client/sync HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"REQUEST_TIMEOUT"' in answer


@pytest.mark.parametrize(
    "request_text",
    [
        b"hello\r\n\r\n",
        b"POST /client/sync HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_400_in_json(address: str, request_text: bytes) -> None:
    answer = await raw(address, request_text)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"MALFORMED"' in answer


@pytest.mark.parametrize(
    ("sent", "kept"), [("abc-1.2_3", True), ("", False), ("a b", False), ("a/b", False), ("x" * 65, False)]
)
async def test_a_sane_request_id_is_kept_and_any_other_replaced(
    client: httpx2.AsyncClient, sent: str, kept: bool
) -> None:
    answered = (await client.get("/healthz", headers={"x-request-id": sent})).headers["x-request-id"]
    assert answered
    assert (answered == sent) is kept


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Api-Key", "a"), ("X-Api-Key", "b")],
        [("Authorization", "Bearer " + "a" * 8_000)],
        [(b"X-Device-Id", b"\xff")],
        [(b"X-Device-Id", b"phone\xa0")],  # a space to Python, but not to HTTP
    ],
)
async def test_credentials_that_cannot_travel_as_metadata_are_refused(
    client: httpx2.AsyncClient, headers: list[tuple[str, str]]
) -> None:
    assert (await client.post(SYNC, json={"changes": []}, headers=headers)).status_code == 400


async def test_liveness_needs_no_server_and_readiness_does(client: httpx2.AsyncClient) -> None:
    alive, ready = await client.get("/healthz"), await client.get("/readyz")
    assert (alive.status_code, alive.json()["status"]) == (200, "alive")
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")


async def test_every_reference_of_the_documentation_resolves(client: httpx2.AsyncClient) -> None:
    description = (await client.get("/openapi.json")).json()
    known = {f"#/components/schemas/{name}" for name in description["components"]["schemas"]}
    assert set(_references(description)) <= known
    paths = {"/client/sync", "/v1/sync", "/healthz", "/readyz"}
    assert paths <= set(description["paths"])


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [reference for value in node.values() for reference in _references(value)]
    if isinstance(node, list):
        return [reference for value in node for reference in _references(value)]
    return []
