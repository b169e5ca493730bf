"""Clients as they come: what people have at hand pushes, pulls, follows and is told what is wrong."""

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError

from bridge.bridged import Bridged, bridged_on
from clients.typescript.building import installed, node
from harness import Client, settings_for, started_server

FOLDER = Path(__file__).parent
GRPC_JS = FOLDER / "grpc_js"
PROTOS = FOLDER.parents[2] / "protos"
CHANGE = {"entity_type": "todo", "entity_id": "milk", "action": "create", "data": {"title": "Milk 🥛"}}
BODY = json.dumps({"changes": [{**CHANGE, "client_timestamp": "2026-11-21T08:00:00Z"}]})
CURL = ("bash", str(FOLDER / "client.sh"))
CLIENTS = {
    "curl": CURL,
    "curl --http2": (*CURL, "--http2"),
    "curl --http1.0": (*CURL, "--http1.0"),
    "curl --compressed": (*CURL, "--compressed"),
    "fetch of Node": ("node", str(FOLDER / "client.mjs")),
    "HttpClient of the JDK": ("java", str(FOLDER / "Client.java")),
    "requests": (sys.executable, str(FOLDER / "client_requests.py")),
    "httpx2": (sys.executable, str(FOLDER / "client_httpx2.py")),
}


@pytest.fixture(scope="module")
async def bridged(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridged]:
    url = f"sqlite:///{tmp_path_factory.mktemp('clients') / 'syncline.db'}"
    settings = settings_for(url, heartbeat_seconds=0.2)  # curl notices with the next event that nobody reads on
    async with started_server(settings) as server, bridged_on(server) as running:
        yield running


def needed(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


async def ran(bridged: Bridged, folder: Path, *command: str, **variables: str) -> tuple[int | None, str, str]:
    project = bridged.server.project
    environment = {
        **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        "BASE": str(bridged.http.base_url).rstrip("/"),
        "KEY": project.client_key,
        "TOKEN": project.token(folder.name),
        "BODY": BODY,
        **variables,
    }
    process = await asyncio.create_subprocess_exec(*command, env=environment, cwd=folder, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(100):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("name", CLIENTS)
async def test_it_pushes_pulls_follows_and_is_told_what_is_wrong(bridged: Bridged, tmp_path: Path, name: str):
    command = CLIENTS[name]
    needed(*{"bash": ("bash", "curl")}.get(command[0], (command[0],)))
    code, out, err = await ran(bridged, tmp_path, *command)
    assert code == 0, (out, err)
    pushed, pulled, streamed, error = out.splitlines()
    assert json.loads(pushed)["data"]["applied"] == 1
    (change,) = json.loads(pulled)["data"]["changes"]
    assert {member: change[member] for member in CHANGE} == CHANGE
    assert json.loads(streamed)["changes"] == [change]
    status, _, body = error.partition(" ")
    assert (status, json.loads(body)["error"]["details"]) == ("400", {"field": "entity_type"})


async def test_grpc_js_pushes_pulls_follows_and_is_told_what_is_wrong(bridged: Bridged, tmp_path: Path):
    installed(GRPC_JS)
    variables = {"ADDRESS": bridged.server.address, "PROTOS": str(PROTOS)}
    code, out, err = await ran(bridged, tmp_path, node(), str(GRPC_JS / "client.mjs"), **variables)
    assert code == 0, (out, err)
    outcome, is_replayed, pulled, streamed, answers, wrong, stranger = map(json.loads, out.splitlines())
    assert (outcome, is_replayed) == ("OUTCOME_APPLIED", True)
    [change] = pulled
    assert (change["entityId"], change["data"]) == ("milk", CHANGE["data"])
    assert streamed == pulled
    assert answers["answers"][0]["response"]["results"][0]["outcome"] == "OUTCOME_APPLIED"
    assert (wrong["code"], wrong["reason"]) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert (stranger["code"], stranger["message"]) == ("UNAUTHENTICATED", "x-api-key: the API key is missing")


async def test_curl_that_takes_http_2_for_granted_is_told_what_to_use(bridged: Bridged, tmp_path: Path):
    needed("curl")
    url = f"{str(bridged.http.base_url).rstrip('/')}/healthz"
    code, _, err = await ran(bridged, tmp_path, "curl", "-sSv", "--max-time", "20", "--http2-prior-knowledge", url)
    assert code not in (0, 28), err  # 28: it would still be waiting
    assert "HTTP" in err


async def test_a_grpc_client_that_is_sent_to_the_http_port_is_told_so(bridged: Bridged):
    address = str(bridged.http.base_url).removeprefix("http://").rstrip("/")
    async with Client(address, {"x-api-key": bridged.server.project.server_key}) as client:
        with pytest.raises(AioRpcError) as refused:
            await client.pull()
    assert refused.value.code() is StatusCode.UNAVAILABLE
    assert "http1.x server" in str(refused.value.details())
