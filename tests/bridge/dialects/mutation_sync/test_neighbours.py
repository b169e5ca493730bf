"""Both dialects and gRPC at once on one user, and a clock that was set back."""

import asyncio
import time
from typing import Any

from bridge.bridged import Bridged, bridged_on
from bridge.dialects.mutation_sync.app import App, ayah, create, delete, note, page_of, refusal, update
from bridge.dialects.mutation_sync.strict_client import StrictClient
from harness import change, now_ms, settings_for, started_server

HOUR_US = 3_600_000_000
ISO = "%Y-%m-%dT%H:%M:%SZ"


class CheckpointApp:
    """The same user through the other dialect."""

    def __init__(self, bridged: Bridged, user: str) -> None:
        self.http = bridged.http
        token = bridged.server.project.token(user)
        self.headers = {"x-api-key": bridged.server.project.client_key, "authorization": f"Bearer {token}"}

    async def push(self, action: str, entity_type: str, entity_id: str, data: dict[str, Any]) -> dict[str, Any]:
        moment = time.strftime(ISO, time.gmtime(time.time() + 1))
        one = {"entity_type": entity_type, "entity_id": entity_id, "action": action, "data": data}
        body = {"changes": [{**one, "client_timestamp": moment}]}
        answer = await self.http.post("/v1/client/sync", json=body, headers=self.headers)
        assert answer.status_code == 200, answer.text
        pushed: dict[str, Any] = answer.json()["data"]
        return pushed

    async def pull(self, entity_type: str) -> list[dict[str, Any]]:
        answer = await self.http.get("/v1/client/sync", params={"entity_type": entity_type}, headers=self.headers)
        changes: list[dict[str, Any]] = answer.json()["data"]["changes"]
        return changes


async def test_what_this_dialect_writes_the_others_read(bridged: Bridged, app: App, user: str) -> None:
    [made, gone] = await app.pushed(note("a"), ayah())
    await app.pushed(delete("BOOKMARK", gone["resourceId"]))
    other = CheckpointApp(bridged, user)
    [pulled] = await other.pull("NOTE")
    assert (pulled["entity_id"], pulled["action"], pulled["data"]) == (made["resourceId"], "create", {"body": "a"})
    assert [row["action"] for row in await other.pull("BOOKMARK")] == ["delete"]
    async with bridged.server.client(user) as client:
        assert [one.entity_type for one in (await client.pull()).changes] == ["NOTE", "BOOKMARK"]


async def test_what_the_others_write_this_dialect_reads_and_the_head_moves(
    bridged: Bridged, app: App, user: str
) -> None:
    await app.pushed(note("a"))
    head = await app.head()
    await CheckpointApp(bridged, user).push("create", "NOTE", "n-1", {"body": "other"})
    assert refusal(await app.post(head, note()))[0] == 409
    [row] = await app.pulled(head)
    assert (row["resourceId"], row["type"], row["data"]) == ("n-1", "CREATE", {"body": "other"})
    head = await app.head()
    async with bridged.server.client(user) as client:
        await client.push(change("update", "n-1", {"more": 1}, entity_type="NOTE", at_ms=now_ms() + 1000))
    [row] = await app.pulled(head)
    assert (row["type"], row["data"]) == ("UPDATE", {"body": "other", "more": 1})
    await app.pushed(update("NOTE", "n-1", body="ours"))


async def test_other_entity_types_stay_invisible_but_move_the_head(bridged: Bridged, app: App, user: str) -> None:
    await app.pushed(note())
    head = await app.head()
    await CheckpointApp(bridged, user).push("create", "todo", "t-1", {"title": "x"})
    page = page_of(await app.get())
    assert (len(page["mutations"]), page["total"]) == (1, 1)
    assert page["lastMutationAt"] > head
    assert refusal(await app.post(head, note()))[0] == 409
    assert (await app.post(page["lastMutationAt"], note())).status_code == 200


async def test_links_of_other_dialects_show_their_ids(bridged: Bridged, app: App, user: str) -> None:
    collection, bookmark = "0b5fd8d4-5b8e-4c3b-9c3a-0c8c1c4a1b11", "5f2c8a50-7f5e-4d55-8f0d-3a1c5a0e9d22"
    ids = {"collectionId": collection, "collection": collection, "bookmarkId": bookmark, "bookmark": bookmark}
    async with bridged.server.client(user) as client:
        link = f"{collection}-{bookmark}"
        await client.push(change("create", link, {"position": 1}, entity_type="COLLECTION_BOOKMARK"))
        assert [row["data"] for row in await app.pulled()] == [{"position": 1, **ids}]
        await client.push(change("delete", link, entity_type="COLLECTION_BOOKMARK", at_ms=now_ms() + 1000))
    assert [(row["type"], row["data"]) for row in await app.pulled()] == [("DELETE", ids)]


async def test_a_conflict_of_the_other_dialect_is_judged_by_its_own_rules(
    bridged: Bridged, app: App, user: str
) -> None:
    [made] = await app.pushed(note("ours"))
    stale = {"entity_type": "NOTE", "entity_id": made["resourceId"], "action": "update", "data": {"body": "stale"}}
    body = {"changes": [{**stale, "client_timestamp": "2020-01-01T00:00:00Z"}]}
    other = CheckpointApp(bridged, user)
    headers = {**other.headers, "x-device-id": "phone"}
    answer = (await other.http.post("/client/sync", json=body, headers=headers)).json()["data"]
    assert [conflict["server_data"]["body"] for conflict in answer["conflicts"]] == ["ours"]
    assert (await app.rows())[0]["data"] == {"body": "ours"}


async def test_all_three_at_once_on_one_user(bridged: Bridged, app: App, user: str) -> None:
    rounds = 12
    client = StrictClient(app.http, app.headers)

    async def mutations() -> int:
        accepted = 0
        while accepted < rounds:
            await client.pull()
            response = await client.send([note(f"m{accepted}")])
            assert response.status_code in {200, 409}
            accepted += response.status_code == 200
        return accepted

    async def checkpoints() -> None:
        other = CheckpointApp(bridged, user)
        for number in range(rounds):
            await other.push("create", "NOTE" if number % 2 else "todo", f"c{number}", {"body": f"c{number}"})

    async def native() -> None:
        async with bridged.server.client(user) as native_client:
            for number in range(rounds):
                await native_client.push(change("create", f"g{number}", {"body": f"g{number}"}, entity_type="NOTE"))

    await asyncio.gather(mutations(), checkpoints(), native())
    await client.pull()
    bodies = sorted(data["body"] for data in client.held.values())
    expected = (
        [f"m{n}" for n in range(rounds)] + [f"g{n}" for n in range(rounds)] + [f"c{n}" for n in range(1, rounds, 2)]
    )
    assert bodies == sorted(expected)
    async with bridged.server.client(user) as native_client:
        assert len((await native_client.pull()).changes) == 3 * rounds
    assert len(await CheckpointApp(bridged, user).pull("todo")) == rounds // 2


async def test_a_clock_set_back_an_hour_stops_nobody(database_url: str, user: str) -> None:
    offset_us = 0

    def clock_us() -> int:
        return time.time_ns() // 1_000 + offset_us

    settings = settings_for(database_url)
    async with started_server(settings, clock_us=clock_us) as server, bridged_on(server) as bridged:
        app = App(bridged, user)
        phone, laptop = (StrictClient(app.http, app.headers) for _ in range(2))
        await phone.push([note("before"), create("COLLECTION", "c", name="c")])
        await laptop.pull()
        offset_us = -HOUR_US
        for number in range(5):
            before = phone.head
            [row] = await phone.push([note(f"after {number}")])
            assert row["timestamp"] > before
            await laptop.pull()
            await laptop.push([update("COLLECTION", "c", name=str(number))])
            await phone.pull()
        assert phone.held == laptop.held
        assert len(phone.held) == 7
        other = await CheckpointApp(bridged, f"{user}-new").push("create", "todo", "t", {})
        assert other["applied"] == 1
