"""PocketBase: one Go program on SQLite, with its defaults, which do not sync each commit to the disk.

Its rules ask for a signed-in user and no more; it keeps no log. Batches have to be allowed in its settings.
"""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2

from bench.messages import DATA, Headers
from bench.peers.peer import BATCH, PAGE, USERS, Endpoints, Peer, entity
from bench.peers.places import pocketbase
from bench.processes import free_address, program

_ADMIN: Final = ("admin@bench.example", "bench-password-0")
_PASSWORD: Final = "bench-password-1"
_RECORDS: Final = "/api/collections/todo/records"
_SIGNED_IN: Final = '@request.auth.id != ""'
_KINDS: Final = {str: "text", bool: "bool", int: "number"}


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Peer]:
    """Run PocketBase on a new database in a folder. Raises PeerMissing."""
    command, address = pocketbase(), free_address()
    data = folder / "pocketbase"
    subprocess.run([command, "superuser", "upsert", *_ADMIN, f"--dir={data}"], check=True, capture_output=True)
    async with program(str(command), "serve", f"--http={address}", f"--dir={data}", address=address) as process:
        async with httpx2.AsyncClient(base_url=f"http://{address}") as client:
            callers = await _prepared(client)
        records = [{"method": "POST", "url": _RECORDS, "body": entity()}] * BATCH
        endpoints = Endpoints(
            push=(_RECORDS, json.dumps(entity())),
            batch=("/api/batch", json.dumps({"requests": records})),
            page=f"{_RECORDS}?perPage={PAGE}&skipTotal=1",
            callers=callers,
        )
        yield Peer("PocketBase", process, endpoints)


async def _prepared(client: httpx2.AsyncClient) -> list[Headers]:
    """Make the collection and the users; return the credentials of these."""
    admin = await _token(client, "_superusers", *_ADMIN)
    as_admin = {"authorization": admin}
    allowed = {"batch": {"enabled": True, "maxRequests": BATCH, "timeout": 30}, "rateLimits": {"enabled": False}}
    await _ask(client, "PATCH", "/api/settings", allowed, as_admin)
    fields = [{"name": name, "type": _KINDS[type(value)]} for name, value in json.loads(DATA).items()]
    rules = {"createRule": _SIGNED_IN, "listRule": _SIGNED_IN, "viewRule": _SIGNED_IN}
    made = {"name": "todo", "type": "base", "fields": fields, **rules}
    await _ask(client, "POST", "/api/collections", made, as_admin)
    callers: list[Headers] = []
    for number in range(USERS):
        name = f"user{number}@bench.example"
        user = {"email": name, "password": _PASSWORD, "passwordConfirm": _PASSWORD}
        await _ask(client, "POST", "/api/collections/users/records", user, as_admin)
        callers.append((("authorization", await _token(client, "users", name, _PASSWORD)),))
    return callers


async def _token(client: httpx2.AsyncClient, collection: str, identity: str, password: str) -> str:
    path = f"/api/collections/{collection}/auth-with-password"
    token: str = (await _ask(client, "POST", path, {"identity": identity, "password": password}, {}))["token"]
    return token


async def _ask(client: httpx2.AsyncClient, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
    answer = await client.request(method, path, json=body, headers=headers)
    answer.raise_for_status()
    return answer.json()
