"""What the handlers of RxDB send, as plainly as possible, and what comes back."""

import json
from typing import Any

import httpx2

from bridge.bridged import Bridged


class App:
    """One installation of an app with a collection."""

    def __init__(self, bridged: Bridged, user: str, path: str = "/rxdb/todo/0", **token: Any) -> None:
        self.http = bridged.http
        self.path = path
        self.headers = {
            "x-api-key": bridged.server.project.client_key,
            "authorization": f"Bearer {bridged.server.project.token(user, **token)}",
        }

    async def get(self, *, lwt: Any = 0, at: str = "", limit: Any = 100) -> httpx2.Response:
        # As the handlers do it: nothing is percent-encoded.
        return await self.http.get(f"{self.path}/pull?lwt={lwt}&id={at}&limit={limit}", headers=self.headers)

    async def send(self, body: str | bytes, **headers: str) -> httpx2.Response:
        return await self.http.post(f"{self.path}/push", content=body, headers={**self.headers, **headers})

    async def push(self, *rows: Any, at_us: int | None = None) -> list[dict[str, Any]]:
        """Push rows; return the documents that won."""
        answer = await self.send(json.dumps(rows), **({} if at_us is None else {"x-pushed-at": str(at_us)}))
        assert answer.status_code == 200, answer.text
        lost: list[dict[str, Any]] = answer.json()
        return lost

    async def page(self, checkpoint: dict[str, Any] | None = None, limit: int = 100) -> dict[str, Any]:
        known = checkpoint or {"lwt": 0, "id": ""}
        answer = await self.get(lwt=known["lwt"], at=known["id"], limit=limit)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        assert set(page) == {"documents", "checkpoint"}
        assert set(page["checkpoint"]) == {"id", "lwt"}
        return page

    async def documents(self, limit: int = 100) -> dict[str, dict[str, Any]]:
        """Read to the end, as a client does it: until a page is short."""
        found: dict[str, dict[str, Any]] = {}
        checkpoint = None
        while True:
            page = await self.page(checkpoint, limit)
            found |= {one["id"]: one for one in page["documents"]}
            checkpoint = page["checkpoint"]
            if len(page["documents"]) < limit:
                return found


def doc(entity_id: str = "milk", *, deleted: bool = False, **members: Any) -> dict[str, Any]:
    return {"id": entity_id, **members, "_deleted": deleted}


def row(new: dict[str, Any], assumed: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"newDocumentState": new} | ({} if assumed is None else {"assumedMasterState": assumed})


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    """Check the form of a failure; return its status and its line."""
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text
    assert "\n" not in answer.text
    return answer.status_code, answer.text
