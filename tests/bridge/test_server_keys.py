"""A server key may name a user over HTTP, in place of a session token; nobody else may name another."""

import json
from typing import Any

import httpx2
import pytest

from bridge.bridged import Bridged
from syncline import words
from syncline_client import SyncClient

CHANGE = {"entity_type": "todo", "entity_id": "t", "action": "create", "data": {"n": 1}}
MUTATION = {"type": "CREATE", "resource": "NOTE", "data": {"body": "b"}}


async def pushed(bridged: Bridged, dialect: str, headers: dict[str, str]) -> httpx2.Response:
    """Push by checkpoint or mutation sync."""
    if dialect == "checkpoint":
        change = {**CHANGE, "client_timestamp": "2026-11-21T08:00:00Z"}
        return await bridged.http.post("/client/sync", json={"changes": [change]}, headers=headers)
    headers = {"x-client-id": headers.pop("x-api-key"), **headers}
    body = json.dumps({"mutations": [MUTATION]})
    return await bridged.http.post("/v1/sync?lastMutationAt=-1", content=body, headers=headers)


async def entries_of(bridged: Bridged, user: str) -> list[Any]:
    async with bridged.server.client(user) as client:
        return await client.pull_all()


@pytest.mark.parametrize("dialect", ["checkpoint", "mutation"])
async def test_what_it_pushes_belongs_to_the_user_it_names(bridged: Bridged, user: str, dialect: str):
    headers = {"x-api-key": bridged.server.project.server_key, "x-user-id": user}
    assert (await pushed(bridged, dialect, headers)).status_code == 200
    (entry,) = await entries_of(bridged, user)
    assert entry.user_id == user


async def test_it_reads_the_user_it_names(bridged: Bridged, user: str):
    headers = {"x-api-key": bridged.server.project.server_key, "x-user-id": user}
    await pushed(bridged, "checkpoint", dict(headers))
    page = (await bridged.http.get("/client/sync?entity_type=todo", headers=headers)).json()["data"]
    assert [one["entity_id"] for one in page["changes"]] == ["t"]
    headers["x-user-id"] = f"{user}-2"
    page = (await bridged.http.get("/client/sync?entity_type=todo", headers=headers)).json()["data"]
    assert page["changes"] == []


@pytest.mark.parametrize("dialect", ["checkpoint", "mutation"])
async def test_a_session_may_name_no_other(bridged: Bridged, user: str, dialect: str):
    project = bridged.server.project
    headers = {"x-api-key": project.client_key, "authorization": f"Bearer {project.token(user)}"}
    refused = await pushed(bridged, dialect, {**headers, "x-user-id": f"{user}-2"})
    assert refused.status_code == 403
    assert (await pushed(bridged, dialect, {**headers, "x-user-id": user})).status_code == 200
    assert await entries_of(bridged, f"{user}-2") == []


@pytest.mark.parametrize("dialect", ["checkpoint", "mutation"])
@pytest.mark.parametrize("named", [True, False], ids=["client key that names a user", "server key that names nobody"])
async def test_a_name_is_no_credential_and_a_server_key_no_name(bridged: Bridged, user: str, dialect: str, named: bool):
    project = bridged.server.project
    headers = {"x-api-key": project.client_key, "x-user-id": user} if named else {"x-api-key": project.server_key}
    assert (await pushed(bridged, dialect, headers)).status_code == 401
    assert await entries_of(bridged, user) == []


@pytest.mark.parametrize("name", ["Jürgen", "利用者", "a b", "UTF-8''x", "😀"])
@pytest.mark.parametrize("dialect", ["checkpoint", "mutation"])
async def test_a_user_beyond_ascii_is_named_percent_encoded(bridged: Bridged, user: str, dialect: str, name: str):
    named = f"{name}-{user}"
    headers = {"x-api-key": bridged.server.project.server_key, "x-user-id": words.header_of_text(named)}
    assert (await pushed(bridged, dialect, headers)).status_code == 200
    (entry,) = await entries_of(bridged, named)
    assert entry.user_id == named


@pytest.mark.parametrize("value", ["UTF-8''%FF", "UTF-8''a%0Ab", "UTF-8''", "UTF-8''%ED%A0%BD"])
@pytest.mark.parametrize("name", ["x-user-id", "x-device-id"])
async def test_a_malformed_id_in_a_header_is_refused(bridged: Bridged, value: str, name: str):
    headers = {"x-api-key": bridged.server.project.server_key, "x-user-id": "u", name: value}
    refused = await pushed(bridged, "checkpoint", headers)
    expected = 200 if (value, name) == ("UTF-8''", "x-device-id") else 401 if value == "UTF-8''" else 400
    assert refused.status_code == expected, refused.text


async def test_a_device_beyond_ascii_is_a_device(bridged: Bridged, user: str):
    device = "Jürgens Telefon"
    async with SyncClient(
        bridged.server.address, api_key=bridged.server.project.server_key, device_id=device
    ) as client:
        assert (await client.pull(user_id=user)).checkpoint_token
    headers = {"x-api-key": bridged.server.project.server_key, "x-user-id": user, "x-device-id": "Jürgen".encode()}
    refused = await bridged.http.get("/client/sync?entity_type=todo", headers=headers)
    assert (refused.status_code, "UTF-8''" in refused.text) == (400, True)
