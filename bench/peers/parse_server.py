"""Parse Server: Node on the same PostgreSQL, with its defaults; sessions are looked up, and rows have no owner."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx2

from bench.peers.peer import BATCH, PAGE, USERS, Endpoints, Peer, entity
from bench.peers.places import PeerMissing, parse_server
from bench.processes import free_address, program

_PROGRAM: Final = Path(__file__).with_name("parse_server.mjs")
_APP: Final = (("x-parse-application-id", "bench"),)
_TODO: Final = "/parse/classes/todo"


@asynccontextmanager
async def running(database_url: str) -> AsyncIterator[Peer]:
    """Run Parse Server on a new database. Raises PeerMissing."""
    folder, node, address = parse_server(), shutil.which("node"), free_address()
    if node is None:
        raise PeerMissing("Parse Server needs Node")
    port, url = address.rpartition(":")[2], urlsplit(database_url)
    place = (url.path.lstrip("/"), parse_qs(url.query)["host"][0])
    async with program(node, str(_PROGRAM), str(folder), port, *place, address=address) as process:
        async with httpx2.AsyncClient(base_url=f"http://{address}", headers=dict(_APP), timeout=30) as client:
            callers = [await _signed_up(client, number) for number in range(USERS)]
            await _ask(client, _TODO, entity(), {"x-parse-master-key": "bench-master"})
        records = [{"method": "POST", "path": _TODO, "body": entity()}] * BATCH
        endpoints = Endpoints(
            push=(_TODO, json.dumps(entity())),
            batch=("/parse/batch", json.dumps({"requests": records})),
            page=f"{_TODO}?limit={PAGE}",
            callers=callers,
        )
        yield Peer("Parse Server", process, endpoints)


async def _signed_up(client: httpx2.AsyncClient, number: int) -> tuple[tuple[str, str], ...]:
    user = {"username": f"user{number}", "password": "bench-password"}
    made = await _ask(client, "/parse/users", user, {"x-parse-revocable-session": "1"})
    return (*_APP, ("x-parse-session-token", made["sessionToken"]))


async def _ask(client: httpx2.AsyncClient, path: str, body: Any, headers: dict[str, str]) -> Any:
    answer = await client.post(path, json=body, headers=headers)
    answer.raise_for_status()
    return answer.json()
