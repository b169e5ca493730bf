"""Every header, parameter, path, claim and field with what nobody should send: no answer is a 5xx, no line is torn."""

import asyncio
import base64
import json
import os
import random
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes

import jwt
import pytest
from grpc import aio

from harness import Client, Project, make_project, settings_for
from ports import free_address
from syncline.v1 import sync_pb2
from system.processes import Process, commands_in

CASES = int(os.environ.get("EDGE_CASES", "250"))
SEED = int(os.environ.get("SEED", "1"))
FAR = 4_000_000_000

HOSTILE = [
    *(b"", b" ", b"\t", b"\0", b"\x01", b"\x1b[2J\x1b[31m", b"\x7f", b"\x85", b"\xa0", b"\r", b"\n"),
    *(b"\r\nx-api-key: y", b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", "\u202e\u2028".encode()),
    *("é".encode("latin-1"), b"'", b'"', b"\\", b"%", b"%00", b"%zz", b"%ud800", b"UTF-8''%ff", b"UTF-8''%ED%A0%80"),
    *(b"UTF-8''%00", b"-1", b"0", b"1e400", b"NaN", b"9" * 30, b"9" * 5000, b"0x10", b"-0", b"1.5", b"true", b"null"),
    *(b"[]", b"{}", b"a,b", b"a;b", b"Bearer", b"Bearer ", b"Basic eDp5", b"*", b'W/"x"', b"gzip", b"br, gzip;q=0"),
    *(b"x" * 3000, b"../" * 50, b"\xf0\x9f\x98\x80" * 100, b"${jndi:x}", b"' OR 1=1 --", b"<script>"),
    *(b"sl_client_\xed\xa0\x80_x", b"sl_client_a%00b_x"),
]
HEADERS = [
    "X-Api-Key",
    "Authorization",
    "X-Device-Id",
    "X-User-Id",
    "Last-Event-ID",
    "X-Client-Id",
    "X-Auth-Token",
    "Cookie",
    "X-Request-Id",
    "Accept",
    "Accept-Encoding",
    "Content-Type",
    "Content-Encoding",
    "If-None-Match",
    "Origin",
    "Range",
    "Idempotency-Key",
    "Expect",
    "TE",
    "Via",
    "Host",
    "Access-Control-Request-Method",
    "Access-Control-Request-Headers",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Upgrade",
    "X-Forwarded-For",
    "X-Ticket",
    "Prefer",
]
PARAMETERS = [
    "entity_type",
    "checkpoint_token",
    "ticket",
    "mutationsSince",
    "limit",
    "page",
    "cursor",
    "lastMutationAt",
    "resources",
    "metadata",
    "user_id",
    "X",
]
ASKED = [
    line.split()
    for line in [
        "\n        GET /client/sync",
        " POST /client/sync",
        " GET /client/sync/stream",
        " POST /client/sync/ticket",
        " GET /v1/sync",
        " POST /v1/sync",
        "\n        OPTIONS /client/sync",
        " HEAD /v1/sync",
        " GET /readyz",
        " GET /openapi.json",
        " GET /docs",
        " TRACE /",
        " CONNECT x:1",
        " OPTIONS *",
        "\n        GET /client\n    ",
    ]
]
GOOD_QUERY = {
    "/client/sync": b"entity_type=todo",
    "/client/sync/stream": b"entity_type=todo",
    "/v1/sync": b"mutationsSince=0",
}
GOOD_BODY = b'{"changes":[],"mutations":[]}'


@dataclass(frozen=True)
class Stage:
    """A Syncline that runs as users run it."""

    process: Process
    http: str
    grpc: str
    project: Project

    @property
    def headers(self) -> dict[str, bytes]:
        key, token = self.project.client_key.encode(), self.project.token().encode()
        bearer = {"X-Api-Key": key, "Authorization": b"Bearer " + token}
        return {"Host": b"x", **bearer, "X-Client-Id": key, "X-Auth-Token": token}


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("fuzz")
    url, grpc, http = f"sqlite:///{folder / 'syncline.db'}", free_address(), free_address()
    project = await make_project(settings_for(url))
    addresses = ("--grpc-address", grpc, "--http-address", http)
    logs = {"SYNCLINE_LOG_LEVEL": "debug", "SYNCLINE_FAILURE_DELAY_SECONDS": "0"}
    logs |= {"SYNCLINE_TRUSTED_PROXIES": "127.0.0.1"}  # what is forwarded is read, and logged
    async with commands_in(folder).running("serve", "--database", url, *addresses, **logs) as process:
        await process.ready(grpc)
        await process.listens(http)
        yield Stage(process, http, grpc, project)


async def status_of(stage: Stage, request: bytes) -> int:
    """Send bytes; return the status of the answer, 0 where the connection ends without one."""
    host, port = stage.http.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    with closing(writer):
        writer.write(request)
        try:
            line = await asyncio.wait_for(reader.readline(), 20)
        except ConnectionError:
            return 0
    return int(line.split()[1]) if line.startswith(b"HTTP/1.1 ") else 0


def spoilt(stage: Stage, chance: random.Random) -> bytes:
    """Return a request of which one thing is not as it should be."""
    method, path = chance.choice(ASKED)
    headers, query, body = stage.headers, GOOD_QUERY.get(path, b""), GOOD_BODY if method == "POST" else b""
    target, hostile = path.encode(), chance.choice(HOSTILE)
    if body:
        headers["Content-Length"] = b"%d" % len(body)
    match chance.choice(["header", "header", "parameter", "path", "body", "claim"]):
        case "header":
            headers[chance.choice(HEADERS)] = hostile
        case "parameter":
            query += b"&" + chance.choice(PARAMETERS).encode() + b"=" + quote_from_bytes(hostile).encode()
        case "path":
            target += b"/" + quote_from_bytes(hostile, safe="%").encode()
        case "body" if body:
            body = GOOD_BODY[:-1] + b',"x":' + hostile + b"}"
            headers["Content-Length"] = b"%d" % len(body)
        case _:
            headers["Authorization"] = b"Bearer " + forged(stage.project, chance).encode()
    lines = [b"%s: %s" % (name.encode(), value) for name, value in headers.items()]
    asked = target + (b"?" + query if query else b"")
    return b"\r\n".join([method.encode() + b" " + asked + b" HTTP/1.1", *lines, b"Accept: */*", b"", body])


STRANGE: list[object] = ["\ud800", "\0", "a\x1fb", "\x1b[2J", "x" * 200, "", 5, -1, 1e300, True, None, [], {}, ["x"]]
CLAIMS = ("sub", "exp", "nbf", "scope", "sid", "device_id", "iat")


def forged(project: Project, chance: random.Random) -> str:
    """Return a token of the project with a strange header or claim."""
    head: dict[str, object] = {"alg": "HS256"}
    claims: dict[str, object] = {"sub": "ada", "exp": FAR}
    part, name = chance.choice([*((head, one) for one in ("kid", "typ", "crit")), *((claims, one) for one in CLAIMS)])
    part[name] = chance.choice(STRANGE)
    texts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in (head, claims)]
    signing = b".".join(texts)
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        signing, project.session_secret.encode()
    )
    return (signing + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


async def test_no_request_is_answered_5xx(stage: Stage):
    chance = random.Random(SEED)
    for number in range(CASES):
        request = spoilt(stage, chance)
        status = await status_of(stage, request)
        assert status < 500, (number, status, request)
    _check_log(stage)


def _texts(chance: random.Random) -> str:
    return chance.choice(HOSTILE).decode("utf-8", "replace")


def spoilt_call(chance: random.Random) -> tuple[str, object]:
    """Return a method and a request of which one thing is not as it should be."""
    text = chance.choice(HOSTILE).decode("utf-8", "replace")
    change = {"entity_type": "t", "entity_id": "e", "action": 1}
    changes = [change | {"entity_type": text}, change | {"entity_id": text}, change | {"data": chance.choice(HOSTILE)}]
    requests: list[tuple[str, object]] = [
        ("Pull", sync_pb2.PullRequest(checkpoint_token=text)),
        ("Pull", sync_pb2.PullRequest(entity_types=[text])),
        ("Pull", sync_pb2.PullRequest(user_id=text, page_size=chance.randrange(-9, 9))),
        ("StreamPull", sync_pb2.StreamPullRequest(checkpoint_token=text)),
        ("Push", sync_pb2.PushRequest(user_id=text)),
        ("Push", sync_pb2.PushRequest(checkpoint_token=text)),
        ("Push", sync_pb2.PushRequest(push_id=text)),
        *(("Push", sync_pb2.PushRequest(changes=[one])) for one in changes),
    ]
    return chance.choice(requests)


async def code_of(client: Client, method: str, request: object) -> str:
    try:
        call = getattr(client.stub, method)(request, metadata=client.metadata, timeout=20)
        await (call.read() if method == "StreamPull" else call)
    except aio.AioRpcError as error:
        return str(error.code().name)
    return "OK"


async def test_no_call_is_a_defect(stage: Stage):
    chance = random.Random(SEED)
    for _ in range(CASES // 5):
        method, request = spoilt_call(chance)
        bearer = chance.choice([stage.project.token(), forged(stage.project, chance), _printable(chance)])
        metadata = {"x-api-key": chance.choice([stage.project.client_key, _printable(chance)])}
        metadata |= {"authorization": f"Bearer {bearer}", "x-device-id": _printable(chance)}
        metadata |= {"x-forwarded-for": _printable(chance)}
        metadata |= chance.choice([{}, {"x-ticket": forged(stage.project, chance)}])
        async with Client(stage.grpc, metadata) as client:
            code = await code_of(client, method, request)
        assert code not in {"INTERNAL", "UNKNOWN"}, (method, request, metadata)
    _check_log(stage)


def _printable(chance: random.Random) -> str:
    text = chance.choice(HOSTILE).decode("utf-8", "replace")
    return "".join(character for character in text if " " <= character <= "~").strip()


def _check_log(stage: Stage) -> None:
    log = Path(stage.process._err).read_bytes()
    assert b"Traceback" not in log
    assert not set(log) & (set(range(32)) - {10} | {127}), "a control character"
