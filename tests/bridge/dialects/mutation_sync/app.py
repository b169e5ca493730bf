"""An app that speaks mutation sync as plainly as possible."""

import json
from typing import Any

import httpx2

from bridge.bridged import Bridged

PATH = "/v1/sync"
MEMBERS = {"type", "resource", "resourceId", "data", "timestamp"}
PAGE_MEMBERS = {"lastMutationAt", "mutations", "page", "limit", "total", "hasMore"}


class App:
    """One installation of an app; remembers nothing."""

    def __init__(self, bridged: Bridged, user: str, **token: Any) -> None:
        self.http = bridged.http
        self.headers = {
            "x-client-id": bridged.server.project.client_key,
            "x-auth-token": bridged.server.project.token(user, **token),
        }

    async def get(self, since: object = 0, **parameters: object) -> httpx2.Response:
        query = {"mutationsSince": str(since)} | {name: str(value) for name, value in parameters.items()}
        return await self.http.get(PATH, params=query, headers=self.headers)

    async def post(self, at: object, *mutations: Any) -> httpx2.Response:
        return await self.send(at, json.dumps({"mutations": mutations}))

    async def send(self, at: object, body: str | bytes) -> httpx2.Response:
        return await self.http.post(PATH, params={"lastMutationAt": str(at)}, content=body, headers=self.headers)

    async def head(self) -> int:
        return int((await self.get(metadataOnly="true")).json()["data"]["lastMutationAt"])

    async def pulled(self, since: object = 0, **parameters: object) -> list[dict[str, Any]]:
        """Get one page that has to come."""
        return list(page_of(await self.get(since, **parameters))["mutations"])

    async def pushed(self, *mutations: Any) -> list[dict[str, Any]]:
        """Post against the head, which has to be accepted."""
        return list(page_of(await self.post(await self.head(), *mutations))["mutations"])

    async def rows(self) -> list[dict[str, Any]]:
        """Get everything there is."""
        return await self.pulled(limit=1000)


def page_of(response: httpx2.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["success"] is True
    data: dict[str, Any] = body["data"]
    return data


def refusal(response: httpx2.Response) -> tuple[int, str, str]:
    """Check the body of a failure; return its status, type and message."""
    body = response.json()
    code, message = body["error"]["code"], body["message"]
    error = {"code": code, "message": message}
    once_more = {"success": False, "error": error}
    assert body == {
        "success": False,
        "message": message,
        "type": body["type"],
        "error": error,
        "details": body["details"],
    }
    assert once_more.items() <= body["details"].items()
    assert "x-mutation-at" not in response.headers
    return response.status_code, body["type"], message


def create(resource: str, resource_id: str | None = None, **data: Any) -> dict[str, Any]:
    given = {} if resource_id is None else {"resourceId": resource_id}
    return {"type": "CREATE", "resource": resource, **given, "data": data}


def update(resource: str, resource_id: str, **data: Any) -> dict[str, Any]:
    return {"type": "UPDATE", "resource": resource, "resourceId": resource_id, "data": data}


def delete(resource: str, resource_id: str) -> dict[str, Any]:
    return {"type": "DELETE", "resource": resource, "resourceId": resource_id}


def note(body: str = "a", **data: Any) -> dict[str, Any]:
    return create("NOTE", body=body, **data)


def ayah(key: int = 2, verse: int = 255, **data: Any) -> dict[str, Any]:
    return create("BOOKMARK", type="ayah", key=key, verseNumber=verse, **data)
