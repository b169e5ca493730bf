"""What RFC 9110 and 9112 ask of any server, at every path and in every dialect, over a real socket."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
import zstandard

from bridge.bridged import Bridged, bridge_on, bridged_on
from bridge.dialects import echo
from harness import change, settings_for, started_server
from syncline_bridge.dialects import DIALECTS

SPOKEN = (*DIALECTS, echo.DIALECT)
CHECKPOINT = "/v1/client/sync?entity_type=todo"
MUTATION = "/v1/sync?mutationsSince=0"
PAGES = [CHECKPOINT, "/client/sync?entity_type=todo", MUTATION, "/auth/v1/sync?mutationsSince=-1", "/echo"]
STREAMS = ["/client/sync/stream?entity_type=todo", "/echo/live/words"]
OURS = ["/healthz", "/readyz", "/openapi.json", "/docs"]

EMPTY_OBJECT = gzip.compress(b"{}", mtime=0)
"""The same at each run, since tests are named by it."""


@pytest.fixture(scope="session")
async def echoing(bridged: Bridged) -> AsyncIterator[Bridged]:
    async with bridged_on(bridged.server, dialects=SPOKEN) as running:
        yield running


@pytest.fixture(scope="session")
async def address(bridged: Bridged) -> AsyncIterator[str]:
    async with bridge_on(bridged.server, dialects=SPOKEN) as bound:
        yield bound


@pytest.fixture
def headers(bridged: Bridged, user: str) -> dict[str, str]:
    project, token = bridged.server.project, bridged.server.project.token(user)
    keys = dict.fromkeys(("x-api-key", "x-client-id", "x-echo-key"), project.client_key)
    return {**keys, "authorization": f"Bearer {token}", "accept-encoding": "identity"}


async def raw(address: str, request: bytes) -> bytes:
    """Send bytes and read to the end of the connection."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    with closing(writer):
        writer.write(request)
        async with asyncio.timeout(20):
            return await reader.read()


def pushed_todos(*titles: str) -> bytes:
    when = "2026-01-31T12:00:00Z"
    changes = [
        {"entity_type": "todo", "entity_id": title, "action": "create", "data": {}, "client_timestamp": when}
        for title in titles
    ]
    return json.dumps({"changes": changes}).encode()


# HEAD


@pytest.mark.parametrize("path", [*PAGES, *OURS])
async def test_head_is_served_wherever_get_is(echoing: Bridged, headers: dict[str, str], path: str):
    got = await echoing.http.get(path, headers=headers)
    asked = await echoing.http.head(path, headers=headers)
    assert (asked.status_code, asked.content) == (got.status_code, b"")
    assert got.status_code == 200
    assert asked.headers["content-length"] == str(len(got.content))
    assert set(asked.headers) == set(got.headers)


@pytest.mark.parametrize("path", STREAMS)
async def test_head_of_a_stream_is_its_head_alone(echoing: Bridged, headers: dict[str, str], path: str):
    async with asyncio.timeout(20):
        asked = await echoing.http.head(path, headers=headers)
        again = await echoing.http.get("/healthz")
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["content-type"].startswith("text/event-stream")
    assert again.status_code == 200


@pytest.mark.parametrize("path", ["/client/sync", "/v1/sync", "/echo", "/client/nothing", "/nothing"])
async def test_head_that_fails_has_no_body_either(echoing: Bridged, path: str):
    got, asked = await echoing.http.get(path), await echoing.http.head(path)
    assert (asked.status_code, asked.content) == (got.status_code, b"")


# HTTP/1.0 and HTTP/2


@pytest.mark.parametrize("path", [*PAGES, *OURS, "/nothing"])
async def test_an_answer_to_http_1_0_is_not_chunked(address: str, headers: dict[str, str], path: str):
    sent = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    answer = await raw(address, f"GET {path} HTTP/1.0\r\n{sent}\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert f"content-length: {len(body)}".encode() in head.lower()


async def test_a_stream_to_http_1_0_ends_with_its_connection(bridged: Bridged, user: str, headers: dict[str, str]):
    sent = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    async with bridge_on(bridged.server, dialects=SPOKEN) as address, asyncio.timeout(30):
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {STREAMS[0]} HTTP/1.0\r\n{sent}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"transfer-encoding" not in head.lower()
        assert (await reader.readline()).startswith(b"retry: ")
        async with bridged.server.client(user) as client:
            await client.push(change("create", "live"))
        await reader.readuntil(b'"entity_id":"live"')
        writer.close()


async def test_what_takes_http_2_for_granted_is_told_to_use_http_1_1(address: str):
    answer = await raw(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 505 ")
    assert json.loads(body)["error"]["message"].startswith("This port speaks HTTP/1.1.")


# Host


@pytest.mark.parametrize("path", ["/client/sync", "/v1/sync", "/echo", "/healthz", "/nothing"])
@pytest.mark.parametrize("hosts", [[], ["a", "b"], ["a", "a"], ["a b"], ["a/b"], ["a@b"], ["\xff"]])
async def test_a_request_names_one_host(address: str, path: str, hosts: list[str]):
    sent = "".join(f"Host: {host}\r\n" for host in hosts)
    answer = await raw(address, f"GET {path} HTTP/1.1\r\n{sent}Connection: close\r\n\r\n".encode("latin-1"))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Host" in answer.partition(b"\r\n\r\n")[2] or b"MALFORMED" in answer


@pytest.mark.parametrize("host", ["x", "127.0.0.1:8080", "[::1]:8080", "sync.example.org", ""])
async def test_any_one_host_will_do(address: str, host: str):
    answer = await raw(address, f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200 ")


# Content-Encoding


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "identity, gzip"])
async def test_a_body_may_come_as_gzip(echoing: Bridged, user: str, headers: dict[str, str], encoding: str):
    body = pushed_todos("zipped")
    halves = gzip.compress(body[:20]) + gzip.compress(body[20:])  # two members are one text
    for content in (gzip.compress(body), halves):
        answer = await echoing.http.post(
            "/client/sync", content=content, headers={**headers, "content-encoding": encoding}
        )
        assert answer.json()["data"]["applied"] == 1
    async with echoing.server.client(user) as client:
        assert [one.entity_id for one in (await client.pull()).changes] == ["zipped"]


async def test_every_dialect_takes_gzip(echoing: Bridged, headers: dict[str, str]):
    packed = {**headers, "content-encoding": "gzip"}
    note = gzip.compress(b'{"mutations":[{"type":"CREATE","resource":"NOTE","data":{}}]}')
    assert (await echoing.http.post("/v1/sync?lastMutationAt=-1", content=note, headers=packed)).status_code == 200
    shout = gzip.compress(b'{"word":"hello"}')
    assert (await echoing.http.put("/echo/a", content=shout, headers=packed)).status_code == 200


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "nonsense"])
async def test_a_body_in_another_encoding_is_415(echoing: Bridged, headers: dict[str, str], encoding: str):
    sent = {**headers, "content-encoding": encoding}
    for path, method in (("/client/sync", "POST"), ("/v1/sync?lastMutationAt=-1", "POST"), ("/echo/a", "PUT")):
        answer = await echoing.http.request(method, path, content=b"{}", headers=sent)
        assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")
        assert answer.json()


@pytest.mark.parametrize("content", [b"", b"no gzip", EMPTY_OBJECT[:-4], EMPTY_OBJECT + b"rest", zlib.compress(b"{}")])
async def test_what_is_no_gzip_is_400(echoing: Bridged, headers: dict[str, str], content: bytes):
    sent = {**headers, "content-encoding": "gzip"}
    answer = await echoing.http.post("/client/sync", content=content, headers=sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_INPUT")


async def test_what_unpacks_to_more_than_a_body_may_hold_is_413(echoing: Bridged, headers: dict[str, str]):
    bomb = gzip.compress(b" " * (5 * 1024 * 1024))
    sent = {**headers, "content-encoding": "gzip"}
    for content in (bomb, gzip.compress(b" " * 1024 * 1024) * 5):
        answer = await echoing.http.post("/client/sync", content=content, headers=sent)
        assert (answer.status_code, answer.json()["error"]["details"]) == (413, {"limit_bytes": 4 * 1024 * 1024})


# Accept-Encoding


@pytest.fixture
async def many(bridged: Bridged, user: str) -> None:
    async with bridged.server.client(user) as client:
        await client.push(*(change("create", f"e{number}", {"title": "milk"}) for number in range(50)))


@pytest.mark.parametrize("coding", ["gzip", "zstd", "br"])
async def test_an_answer_is_compressed_for_who_asks(echoing: Bridged, headers: dict[str, str], many: None, coding: str):
    plain = await echoing.http.get(CHECKPOINT, headers=headers)
    packed = await echoing.http.get(CHECKPOINT, headers={**headers, "accept-encoding": coding})
    assert "content-encoding" not in plain.headers
    text = zstandard.decompress(packed.content) if coding == "zstd" else packed.content  # httpx2 knows the others
    assert (packed.headers["content-encoding"], text) == (coding, plain.content)
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert "Accept-Encoding" in packed.headers["vary"]


@pytest.mark.parametrize("accepted", ["identity", "gzip;q=0", "compress", ""])
async def test_who_asks_for_none_gets_none(echoing: Bridged, headers: dict[str, str], many: None, accepted: str):
    answer = await echoing.http.get(CHECKPOINT, headers={**headers, "accept-encoding": accepted})
    assert "content-encoding" not in answer.headers


async def test_compression_can_be_switched_off(bridged: Bridged, headers: dict[str, str], many: None):
    async with bridged_on(bridged.server, compress_answers=False) as plain:
        answer = await plain.http.get(CHECKPOINT, headers={**headers, "accept-encoding": "gzip"})
        assert "content-encoding" not in answer.headers


async def test_events_come_at_once_to_who_takes_gzip(echoing: Bridged, user: str, headers: dict[str, str]):
    sent = {**headers, "accept-encoding": "gzip, br, zstd"}
    async with echoing.http.stream("GET", STREAMS[0], headers=sent) as stream, asyncio.timeout(20):
        lines = stream.aiter_lines()
        assert await anext(lines) == "retry: 1000"
        async with echoing.server.client(user) as client:
            await client.push(change("create", "live"))
        assert any(['"entity_id":"live"' in line async for line in _until_live(lines)])


async def _until_live(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if "live" in line:
            return


# Slashes


@pytest.mark.parametrize("path", [*PAGES, *OURS, *STREAMS, "/nothing", "/client/nothing"])
async def test_a_path_is_the_same_with_a_slash_at_its_end(echoing: Bridged, headers: dict[str, str], path: str):
    bare, _, query = path.partition("?")
    answers = [await echoing.http.head(f"{one}?{query}", headers=headers) for one in (bare, f"{bare}/")]
    assert answers[0].status_code == answers[1].status_code


@pytest.mark.parametrize("path", ["/client/sync//", "//client/sync", "/v1/sync//", "/echo//", "/healthz//"])
async def test_two_slashes_are_another_path(echoing: Bridged, headers: dict[str, str], path: str):
    host, port = str(echoing.http.base_url.host), echoing.http.base_url.port
    assert (await raw(f"{host}:{port}", f"GET {path} HTTP/1.0\r\n\r\n".encode())).startswith(b"HTTP/1.1 404 ")


# ETag


@pytest.mark.parametrize("path", PAGES)
async def test_a_poll_that_finds_nothing_new_is_304(echoing: Bridged, user: str, headers: dict[str, str], path: str):
    body = b'{"mutations":[{"type":"CREATE","resource":"NOTE","data":{}}]}'
    await echoing.http.post("/v1/sync?lastMutationAt=-1", content=body, headers=headers)
    first = await echoing.http.get(path, headers=headers)
    tag = first.headers["etag"]
    for held in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        again = await echoing.http.get(path, headers={**headers, "if-none-match": held})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers.get("x-mutation-at") == first.headers.get("x-mutation-at")
    async with echoing.server.client(user) as client:
        await client.push(change("create", "e", {"word": "new"}, entity_type="word"), change("create", "e"))
    changed = await echoing.http.get(path, headers={**headers, "if-none-match": tag})
    assert (changed.status_code, changed.headers["etag"] != tag) == (200, True)


async def test_the_tag_of_an_answer_is_the_same_compressed(echoing: Bridged, headers: dict[str, str], many: None):
    tags = {
        (await echoing.http.get(CHECKPOINT, headers={**headers, "accept-encoding": coding})).headers["etag"]
        for coding in ("gzip", "zstd", "identity")
    }
    assert len(tags) == 1


async def test_what_fails_has_no_tag(echoing: Bridged):
    refused = await echoing.http.get("/client/sync", headers={"if-none-match": "*"})
    assert (refused.status_code, "etag" in refused.headers) == (401, False)


# Unknown parameters


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", f"{CHECKPOINT}&"), ("GET", f"{MUTATION}&"), ("POST", "/v1/sync?lastMutationAt=-1&"), ("GET", "/echo?")],
)
async def test_parameters_that_are_not_known_are_named(
    echoing: Bridged, headers: dict[str, str], method: str, path: str
):
    known = await echoing.http.request(method, path, headers=headers)
    unknown = await echoing.http.request(method, f"{path}limits=10&%C3%A9%0A=1&limits=2", headers=headers)
    assert "x-ignored-parameters" not in known.headers
    assert unknown.headers["x-ignored-parameters"] == "limits, %C3%A9%0A"
    assert unknown.status_code == known.status_code


async def test_a_parameter_that_is_not_known_is_named_in_a_failure_too(echoing: Bridged, headers: dict[str, str]):
    refused = await echoing.http.get("/client/sync?type=todo", headers=headers)
    assert (refused.status_code, refused.headers["x-ignored-parameters"]) == (400, "type")


async def test_the_parameters_of_a_stream_are_known(echoing: Bridged, headers: dict[str, str]):
    asked = await echoing.http.head(f"{STREAMS[0]}&checkpoint_token=&ticket=&since=1", headers=headers)
    assert asked.headers["x-ignored-parameters"] == "since"


# Limits


async def test_who_may_call_no_more_sees_the_limit(database_url: str, user: str):
    async with started_server(settings_for(database_url, calls_per_minute=1)) as server, bridged_on(server) as limited:
        project = server.project
        headers = {"x-api-key": project.client_key, "x-client-id": project.client_key}
        headers["authorization"] = f"Bearer {project.token(user)}"
        await limited.http.get(CHECKPOINT, headers=headers)
        for path in (CHECKPOINT, MUTATION):
            refused = await limited.http.get(path, headers=headers)
            assert refused.headers["ratelimit-policy"] == '"user";q=1;w=60'
            assert refused.headers["ratelimit"] == f'"user";r=0;t={refused.headers["retry-after"]}'
