"""An app that speaks checkpoint sync as plainly as possible."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import httpx2

from bridge.bridged import Bridged

PATH = "/v1/client/sync"


class App:
    """One installation of an app; remembers nothing."""

    def __init__(self, bridged: Bridged, user: str, **token: Any) -> None:
        self.http = bridged.http
        self.headers = {
            "x-api-key": bridged.server.project.client_key,
            "authorization": f"Bearer {bridged.server.project.token(user, **token)}",
        }

    async def post(self, *changes: Any, **members: Any) -> httpx2.Response:
        return await self.send(json.dumps({"changes": changes, **members}))

    async def send(self, body: str | bytes) -> httpx2.Response:
        return await self.http.post(PATH, content=body, headers=self.headers)

    async def get(self, token: str | None = None, entity_type: str = "todo") -> httpx2.Response:
        query = {"entity_type": entity_type} | ({} if token is None else {"checkpoint_token": token})
        return await self.http.get(PATH, params=query, headers=self.headers)

    async def push(self, *changes: Any, **members: Any) -> dict[str, Any]:
        return data_of(await self.post(*changes, **members))

    async def pull(self, token: str | None = None, entity_type: str = "todo") -> dict[str, Any]:
        return data_of(await self.get(token, entity_type))


def data_of(response: httpx2.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


def refusal(response: httpx2.Response) -> tuple[int, str, str]:
    """Check the body of a failure; return its status, code and message."""
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) <= {"code", "message", "details"}
    assert body["error"]["message"]
    return response.status_code, body["error"]["code"], body["error"]["message"]


def edit(
    action: str = "create", entity_id: str = "t1", data: Any = None, *, at: float | str = 0.0, entity_type: str = "todo"
) -> dict[str, Any]:
    """Build a change; `at` is its client timestamp, in seconds from now or as text."""
    moment = at if isinstance(at, str) else datetime.fromtimestamp(time.time() + at, UTC).isoformat()
    given = {} if data is None else {"data": data}
    change = {"entity_type": entity_type, "entity_id": entity_id, "action": action, **given, "client_timestamp": moment}
    return change if action == "delete" else {"data": {}, **change}
