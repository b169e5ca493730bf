"""Syncline as it is run beside a peer: `syncline serve`, durable, with the credentials of sixteen sessions."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlencode

from bench import messages
from bench.load import NEW_ID
from bench.peers.peer import BATCH, PAGE, USERS, Endpoints, Peer
from bench.processes import Project, serve

_PATH: Final = "/v1/client/sync"


@asynccontextmanager
async def running(project: Project) -> AsyncIterator[Peer]:
    """Run the server and its bridge on the database of a project."""
    one = json.loads(messages.pushed_json(NEW_ID))["changes"][0]
    many = [{**one, "entity_id": f"{NEW_ID}-{number}"} for number in range(BATCH)]
    endpoints = Endpoints(
        push=(_PATH, json.dumps({"changes": [one]})),
        batch=(_PATH, json.dumps({"changes": many})),
        page=f"{_PATH}?{urlencode({'entity_type': messages.TYPE, 'page_size': PAGE})}",
        callers=[project.credentials(f"user{number}") for number in range(USERS)],
    )
    async with serve(project) as process:
        yield Peer("Syncline", process, endpoints)
