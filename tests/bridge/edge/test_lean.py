"""The short way of hot routes: who may take it, and that every answer is that of the long way, to the byte."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from bridge.edge.both_ways import NONSENSE, REFUSALS, WAITING, Way, request, way
from syncline_bridge.edge import bodies
from waiting import until

MAX_BODY_BYTES = 8_000
PUSH = "/v1/client/sync"
PULL = f"{PUSH}?entity_type=todo"
CHECKPOINT = ("x-api-key: known", "authorization: Bearer ada")
MUTATION = ("x-client-id: known", "x-auth-token: ada")
ECHO = ("x-echo-key: known", "authorization: Bearer ada")
CHANGE = {"entity_type": "todo", "entity_id": "e", "action": "create", "data": {"a": 1}}
CHANGE["client_timestamp"] = "2026-01-31T12:00:00.125Z"
MADE = {"type": "CREATE", "resource": "NOTE", "resourceId": "n", "data": {"a": 1}}


def pushed(*changes: dict[str, object], **members: object) -> bytes:
    return json.dumps({"changes": changes or [CHANGE], **members}).encode()


def mutated(*mutations: dict[str, object]) -> bytes:
    return json.dumps({"mutations": mutations or [MADE]}).encode()


def push(*headers: str, body: bytes | None = None, target: str = PUSH) -> bytes:
    return request("POST", target, *CHECKPOINT, *headers, body=pushed() if body is None else body)


def pull(*headers: str, target: str = PULL) -> bytes:
    return request("GET", target, *CHECKPOINT, *headers)


def mutate(*headers: str, body: bytes | None = None, target: str = "/v1/sync?lastMutationAt=-1") -> bytes:
    return request("POST", target, *MUTATION, *headers, body=mutated() if body is None else body)


def look(*headers: str, target: str = "/v1/sync?mutationsSince=0") -> bytes:
    return request("GET", target, *MUTATION, *headers)


@pytest.fixture(autouse=True, scope="module")
def no_lingering() -> AsyncIterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "_LINGER_SECONDS", 0.05)
        yield


@dataclass(frozen=True)
class Ways:
    """Both ways, on which the same callers are known."""

    short: Way
    long: Way

    async def same(self, sent: bytes) -> bytes:
        """Return the answer that both ways give; they ask the server for the same, too."""
        answers = [await one.answer(sent) for one in (self.short, self.long)]
        assert answers[0] == answers[1]
        assert self.short.server.calls == self.long.server.calls
        return answers[0]


@pytest.fixture(scope="module")
async def ways() -> AsyncIterator[Ways]:
    limits = {"max_body_bytes": MAX_BODY_BYTES, "body_read_timeout_seconds": 0.1}
    async with way(short=True, **limits) as short, way(short=False, **limits) as long:
        both = Ways(short, long)
        for known in (pull(), look(), request("GET", "/echo", *ECHO)):
            await both.same(known)
        yield both


SHORT = {
    "a push": push(),
    "a push at its other path": push(target="/client/sync"),
    "an empty push": push(body=pushed(changes=[])),
    "a push of many": push(body=pushed(*({**CHANGE, "entity_id": f"e{n}"} for n in range(30)))),
    "a push that loses": push(body=pushed({**CHANGE, "entity_id": "loses"}, CHANGE)),
    "a push that shows where it is": push(body=pushed(checkpoint_token="t", push_id="p")),
    "a push with a parameter that is not known": push(target=f"{PUSH}?since=1&%C3%A9=2"),
    "a push with a request id": push("x-request-id: abc-1"),
    "a push with a request id that is none": push("x-request-id: a b"),
    "a push with two request ids": push("x-request-id: one", "x-request-id: two"),
    "a push with a cookie": push("cookie: a=b"),
    "a push of another type of content": push("content-type: text/plain"),
    "a push that accepts gzip": push("accept-encoding: gzip, br, zstd"),
    "a push that is no JSON": push(body=b"{"),
    "a push of nothing": push(body=b""),
    "a push without a body": request("POST", PUSH, *CHECKPOINT),
    "a push of NaN": push(body=pushed({**CHANGE, "data": {"a": float("nan")}})),
    "a push of a name twice": push(body=b'{"changes":[],"changes":[]}'),
    "a push of half a surrogate": push(body=b'{"changes":["\\ud83d"]}'),
    "a push of no UTF-8": push(body=b'{"changes":["\xff"]}'),
    "a push of another shape": push(body=b'{"changes":5}'),
    "a push without its changes": push(body=b"{}"),
    "a change without a time": push(body=pushed({**CHANGE, "client_timestamp": "yesterday"})),
    "a change without an id": push(body=pushed({**CHANGE, "entity_id": ""})),
    "a change of an unknown action": push(body=pushed({**CHANGE, "action": "move"})),
    "a change that is no object": push(body=pushed({**CHANGE, "data": [1]})),
    "the largest body": push(body=pushed().ljust(MAX_BODY_BYTES)),
    "a pull": pull(),
    "a pull of much": pull(target=f"{PUSH}?entity_type=many"),
    "a pull of much as gzip": pull("accept-encoding: gzip", target=f"{PUSH}?entity_type=many"),
    "a pull of much as zstd": pull("accept-encoding: gzip, zstd;q=0.1", target=f"{PUSH}?entity_type=many"),
    "a pull of much as br": pull("accept-encoding: br", "accept-encoding: gzip", target=f"{PUSH}?entity_type=many"),
    "a pull of much as nothing known": pull("accept-encoding: rar, gzip;q=0", target=f"{PUSH}?entity_type=many"),
    "a pull that has everything": pull("if-none-match: *"),
    "a pull that has something else": pull('if-none-match: W/"x"'),
    "a pull of no type": pull(target=PUSH),
    "a pull of two types": pull(target=f"{PULL}&entity_type=note"),
    "a pull of a bad type": pull(target=f"{PUSH}?entity_type=%C3%A9"),
    "a pull with a body of nothing": pull("content-length: 0"),
    "a pull with an unknown parameter that fails": pull(target=f"{PUSH}?type=todo"),
    "an answer that makes no sense": pull(target=f"{PULL}&checkpoint_token={NONSENSE}"),
    "entities by their ids": push(target="/client/entities", body=b'{"entities":[]}'),
    "mutations": mutate(),
    "mutations at their other path": mutate(target="/auth/v1/sync?lastMutationAt=-1"),
    "mutations with a key": mutate('idempotency-key: "k"'),
    "mutations with two keys": mutate("idempotency-key: k", "idempotency-key: l"),
    "mutations without a head": mutate(target="/v1/sync"),
    "a mutation of nothing known": mutate(body=mutated({**MADE, "resource": "CAR"})),
    "mutations that are none": mutate(body=b'{"mutations":{}}'),
    "a look": look(),
    "a look at the head": look(target="/v1/sync?mutationsSince=0&metadataOnly=true"),
    "a look without a time": look(target="/v1/sync"),
    "a look that has everything": look("if-none-match: *"),
    "a look by a bearer": request(
        "GET", "/v1/sync?mutationsSince=0", "x-client-id: known", "authorization: Bearer ada"
    ),
    "an echo": request("GET", "/echo", *ECHO),
    **{f"a push refused with {reason}": push(body=pushed(push_id=reason)) for reason in REFUSALS},
    **{f"mutations refused with {reason}": mutate(f"idempotency-key: {reason}") for reason in REFUSALS},
    **{f"a pull refused with {reason}": pull(target=f"{PULL}&checkpoint_token={reason}") for reason in REFUSALS},
}
LONG = {
    "a page of another origin": push("origin: https://elsewhere.example"),
    "a page of this machine": push("origin: http://localhost:5173"),
    "an announcement": push("expect: 100-continue"),
    "a body in pieces": request("POST", PUSH, *CHECKPOINT, "transfer-encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n",
    "a body as gzip": push("content-encoding: gzip", body=gzip.compress(pushed(), mtime=0)),
    "a body as something else": push("content-encoding: br"),
    "a body as itself": push("content-encoding: identity"),
    "an offer": push("upgrade: h2c"),
    "two keys": push("x-api-key: known"),
    "two tokens": push("authorization: Bearer bob"),
    "a key that nobody knows": request("POST", PUSH, "x-api-key: stranger", CHECKPOINT[1], body=pushed()),
    "no key": request("POST", PUSH, body=pushed()),
    "no key of mutations": request("GET", "/v1/sync?mutationsSince=0", "x-auth-token: ada"),
    "a device beyond ASCII": push("x-device-id: \xe9"),
    "a user beyond UTF-8": push("x-user-id: UTF-8''%FF"),
    "credentials that are too large": request("GET", PULL, CHECKPOINT[0], f"authorization: Bearer {'a' * 8000}"),
    "no host": request("GET", PULL, *CHECKPOINT, host=""),
    "two hosts": request("GET", PULL, *CHECKPOINT, "host: y"),
    "a bad host": request("GET", PULL, *CHECKPOINT, host="host: a b"),
    "an old version": pull().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a slash at the end": push(target=f"{PUSH}/"),
    "two slashes at the end": push(target=f"{PUSH}//"),
    "a line feed at the end": pull(target="/client/sync%0A?entity_type=todo"),
    "HEAD": request("HEAD", PULL, *CHECKPOINT),
    "OPTIONS": request("OPTIONS", PUSH, *CHECKPOINT),
    "PUT": request("PUT", PUSH, *CHECKPOINT, body=b"{}"),
    "a body that is too large": push(body=pushed().ljust(MAX_BODY_BYTES + 1)),
    "a pull with a body": request("GET", PULL, *CHECKPOINT, body=b"x"),
    "a body that does not come": push(body=b"{")[:-1],
    "another operation": request("POST", f"{PUSH}/ticket", *CHECKPOINT),
    "an operation with a template": request("GET", "/client/entities/todo/e", *CHECKPOINT),
    "no operation": request("GET", "/client/nothing", *CHECKPOINT),
    "a probe": request("GET", "/healthz"),
    "a document": request("GET", "/openapi.json"),
}


@pytest.mark.parametrize("sent", SHORT.values(), ids=SHORT)
async def test_what_is_usual_takes_the_short_way_to_the_same_answer(ways: Ways, sent: bytes):
    before = len(ways.short.taken)
    answer = await ways.same(sent)
    assert answer.startswith(b"HTTP/1.1 ")
    assert ways.short.taken[before:] == [True]
    assert not any(ways.long.taken)


@pytest.mark.parametrize("sent", LONG.values(), ids=LONG)
async def test_what_is_unusual_takes_the_long_way(ways: Ways, sent: bytes):
    before = len(ways.short.taken)
    assert (await ways.same(sent)).startswith(b"HTTP/1.1 ")
    assert True not in ways.short.taken[before:]


async def test_answers_tell_all_that_they_told():
    """What the comparison rests on: the answers have what is to be the same in them."""
    async with way(short=True) as one:
        await one.answer(pull())
        much = await one.answer(
            pull("accept-encoding: gzip", "x-request-id: mine", target=f"{PUSH}?entity_type=many&x=1")
        )
        limited = await one.answer(push(body=pushed(push_id="RATE_LIMITED")))
    head, _, body = much.partition(b"\r\n\r\n")
    lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert json.loads(gzip.decompress(body))["data"]["checkpoint_token"] == "after"
    assert (lines[b"x-request-id"], lines[b"x-ignored-parameters"]) == (b"mine", b"x")
    assert (lines[b"vary"], lines[b"content-encoding"]) == (b"Accept-Encoding", b"gzip")
    assert (lines[b"cache-control"], lines[b"x-content-type-options"]) == (b"no-store", b"nosniff")
    assert {b"etag", b"date", b"content-length", b"content-type"} <= lines.keys()
    assert b"\r\nratelimit-policy: " in limited
    assert b"\r\nretry-after: " in limited


async def test_answers_are_plain_where_compression_is_switched_off():
    async with way(short=True, compress_answers=False) as one:
        await one.answer(pull())
        answer = await one.answer(pull("accept-encoding: gzip", target=f"{PUSH}?entity_type=many"))
        assert one.taken == [False, True]
    assert b"content-encoding" not in answer
    assert b"vary" not in answer


async def test_a_caller_takes_the_short_way_once_the_server_knows_him():
    async with way(short=True) as one:
        for key in ("known", "known-too", "known", "stranger", "stranger"):
            await one.answer(request("GET", PULL, f"x-api-key: {key}"))
        assert one.taken == [False, False, True]


async def test_callers_are_told_apart():
    """Who sends other credentials is another caller, whatever is remembered of the one before."""
    async with way(short=True) as one:
        for _ in range(2):
            for token in ("ada", "bob"):
                for device in ([], ["x-device-id: phone"]):
                    await one.answer(
                        request("GET", PULL, "x-api-key: known", f"authorization: Bearer {token}", *device)
                    )
        seen = [dict(credentials) for _, _, credentials in one.server.calls]
        assert one.taken == [False] * 4 + [True] * 4
    assert [(each["authorization"], each.get("x-device-id")) for each in seen[4:]] == [
        *[("Bearer ada", None), ("Bearer ada", "phone")],
        *[("Bearer bob", None), ("Bearer bob", "phone")],
    ]


async def test_each_request_goes_by_its_own_id_to_the_server():
    async with way(short=True) as one:
        answers = [await one.answer(pull(f"x-request-id: r{number}")) for number in range(3)]
        assert one.taken == [False, True, True]
    assert [f"x-request-id: r{number}".encode() in answer for number, answer in enumerate(answers)] == [True] * 3


async def test_a_body_that_comes_after_its_head_takes_the_long_way(ways: Ways):
    before = len(ways.short.taken)
    answers = [await one.answer(push(), apart=True) for one in (ways.short, ways.long)]
    assert answers[0] == answers[1]
    assert ways.short.taken[before:] == [False]


@pytest.mark.parametrize("first", [(), ("origin: http://localhost",)], ids=["short", "long"])
@pytest.mark.parametrize("second", [(), ("origin: http://localhost",)], ids=["short", "long"])
async def test_both_ways_have_their_places_in_common(first: tuple[str, ...], second: tuple[str, ...]):
    async with way(short=True, limit_concurrency=1) as one:
        await one.answer(pull())
        waiting = asyncio.ensure_future(one.answer(push(*first, body=pushed(push_id=WAITING))))
        await until(lambda: one.server.waiting)
        assert (await one.answer(pull(*second))).startswith(b"HTTP/1.1 503 ")
        one.server.goes_on.set()
        assert (await waiting).startswith(b"HTTP/1.1 200 ")
        assert (await one.answer(pull(*second))).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("first", [(), ("origin: http://localhost",)], ids=["short", "long"])
@pytest.mark.parametrize("second", [(), ("origin: http://localhost",)], ids=["short", "long"])
async def test_both_ways_have_the_room_for_bodies_in_common(first: tuple[str, ...], second: tuple[str, ...]):
    async with way(short=True, limit_body_bytes=1_000) as one:
        await one.answer(pull())
        large = pushed(push_id=WAITING).ljust(400)
        waiting = asyncio.ensure_future(one.answer(push(*first, body=large)))
        await until(lambda: one.server.waiting)
        assert (await one.answer(push(*second, body=pushed()))).startswith(b"HTTP/1.1 503 ")
        one.server.goes_on.set()
        assert (await waiting).startswith(b"HTTP/1.1 200 ")
        assert (await one.answer(push(*second, body=pushed()))).startswith(b"HTTP/1.1 200 ")


async def test_places_and_room_are_given_back_by_whatever_fails():
    async with way(short=True, limit_concurrency=1, limit_body_bytes=1_000) as one:
        await one.answer(pull())
        for _ in range(3):
            await one.answer(push(body=b"{"))
            await one.answer(push(body=pushed(push_id="INTERNAL")))
            await one.answer(pull(target=f"{PULL}&checkpoint_token={NONSENSE}"))
        assert (await one.answer(push())).startswith(b"HTTP/1.1 200 ")
        assert one.taken == [False] + [True] * 10


@pytest.mark.parametrize("first", [(), ("origin: http://localhost",)], ids=["short", "long"])
@pytest.mark.parametrize("second", [(), ("origin: http://localhost",)], ids=["short", "long"])
async def test_refusals_of_both_ways_count_together_and_are_held(first: tuple[str, ...], second: tuple[str, ...]):
    expired = pushed(push_id="SESSION_EXPIRED")
    async with way(short=True, failure_delay_seconds=60, shutdown_grace_seconds=0) as one:
        await one.answer(pull())
        for _ in range(20):
            assert (await one.answer(push(*first, body=expired))).startswith(b"HTTP/1.1 401 ")
        held = asyncio.ensure_future(one.answer(push(*second, body=expired)))
        await until(lambda: len(one.server.calls) == 22)
        assert (await one.answer(pull())).startswith(b"HTTP/1.1 200 ")
        assert not held.done()
    await held


async def test_requests_that_outlast_the_grace_get_the_same_last_words():
    async def last_words(*, short: bool) -> bytes:
        async with way(short=short, shutdown_grace_seconds=0) as one:
            await one.answer(pull())
            waiting = asyncio.ensure_future(one.answer(push(body=pushed(push_id=WAITING))))
            await until(lambda: one.server.waiting)
            assert one.taken == [False, short]
        return await waiting

    said = await last_words(short=True)
    assert said == await last_words(short=False)
    assert said.startswith(b"HTTP/1.1 503 ")


async def test_both_ways_write_the_same_log_lines():
    async def logged(*, short: bool) -> list[dict[str, object]]:
        with capture_logs() as lines:
            async with way(short=short) as one:
                await one.answer(pull())
                await one.answer(push("x-request-id: a", body=pushed(push_id="STORE_UNAVAILABLE")))
                await one.answer(pull("x-request-id: b", target=f"{PULL}&checkpoint_token={NONSENSE}"))
        kept = [line for line in lines if line.get("request_id") in {"a", "b"}]
        return [{name: value for name, value in line.items() if name not in {"duration_ms", "stack"}} for line in kept]

    lines = await logged(short=True)
    assert lines == await logged(short=False)
    assert [line["event"] for line in lines] == ["request", "defect", "request"]
