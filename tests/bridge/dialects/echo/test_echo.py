"""A dialect is a folder and a line: everything that the bridge does for a dialect, it does for one more."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from bridge.bridged import Bridged, bridge_on, bridged_on, client_of_bridge_on, settings_of
from bridge.dialects import echo
from harness import change
from syncline_bridge.dialects import DIALECTS
from syncline_bridge.knobs import Knobs

SPOKEN = (*DIALECTS, echo.DIALECT)
NOWHERE = "127.0.0.1:1"
ORIGIN = "https://app.example"


@pytest.fixture(scope="session")
async def echoing(bridged: Bridged) -> AsyncIterator[Bridged]:
    async with bridged_on(bridged.server, dialects=SPOKEN) as running:
        yield running


@pytest.fixture(scope="module")
async def alone() -> AsyncIterator[httpx2.AsyncClient]:
    """A bridge without a server."""
    async with client_of_bridge_on(NOWHERE, dialects=SPOKEN, cors_origins=(ORIGIN,), max_body_bytes=100) as http:
        yield http


@pytest.fixture
def headers(bridged: Bridged, user: str) -> dict[str, str]:
    project = bridged.server.project
    return {"x-echo-key": project.client_key, "authorization": f"Bearer {project.token(user)}"}


async def preflight(http: httpx2.AsyncClient, path: str, method: str, *sent: str) -> bool:
    asked = {"origin": ORIGIN, "access-control-request-method": method}
    if sent:
        asked["access-control-request-headers"] = ",".join(sent)
    return (await http.options(path, headers=asked)).status_code == 200


async def test_it_serves_what_it_says(echoing: Bridged, user: str, headers: dict[str, str]):
    for name in ("one", "two"):
        answer = await echoing.http.put(f"/echo/{name}", json={"word": f"hello {name}"}, headers=headers)
        assert (answer.json(), answer.headers["x-shouted"]) == ({"echoes": [f"hello {name}"]}, name)
    assert (await echoing.http.get("/echo", headers=headers)).json() == {"echoes": ["hello one", "hello two"]}
    async with echoing.server.client(user) as client:
        assert [one.entity_id for one in (await client.pull("word")).changes] == ["one", "two"]


async def test_it_has_live_streams(echoing: Bridged, user: str, headers: dict[str, str]):
    async with echoing.server.client(user) as client:
        await client.push(change("create", "a", {"word": "a"}, entity_type="word"))
        async with echoing.http.stream("GET", "/echo/live/words", headers=headers) as stream, asyncio.timeout(20):
            events = (json.loads(line[6:]) async for line in stream.aiter_lines() if line.startswith("data: "))
            assert await anext(events) == {"echoes": ["a"]}
            await client.push(change("create", "b", {"word": "b"}, entity_type="word"))
            assert await anext(events) == {"echoes": ["b"]}


async def test_its_streams_are_bounded_by_the_limit_of_streams_and_keep_no_request_out(
    bridged: Bridged, headers: dict[str, str]
):
    async with (
        bridged_on(bridged.server, dialects=SPOKEN, limit_streams=1, limit_concurrency=1) as running,
        running.http.stream("GET", "/echo/live/words", headers=headers) as stream,
    ):
        assert stream.status_code == 200
        assert (await running.http.get("/echo", headers=headers)).status_code == 200
        refused = await running.http.get("/echo/live/words", headers=headers)
        assert (refused.status_code, refused.json()["status"]) == (503, 503)


@pytest.mark.parametrize("path", ["/echo/a/b/c", "/echo/a/b/c/", "/echo/live"])
async def test_unknown_paths_below_its_prefix_are_its_own(alone: httpx2.AsyncClient, path: str):
    answer = await alone.get(path)
    assert (answer.status_code, set(answer.json())) == (405 if path == "/echo/live" else 404, {"silence", "status"})


@pytest.mark.parametrize("path", ["/", "/echoes", "/v1", "/nobody/knows"])
async def test_paths_that_are_nobodys_are_answered_in_the_words_of_no_dialect(alone: httpx2.AsyncClient, path: str):
    answer = await alone.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"error": {"code": "PATH_UNKNOWN", "message": "There is nothing at this path."}}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/echo", "GET, HEAD"), ("GET", "/echo/some", "PUT"), ("PUT", "/client/sync", "GET, HEAD, POST")],
)
async def test_405_names_the_methods_of_the_path(alone: httpx2.AsyncClient, method: str, path: str, allowed: str):
    answer = await alone.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


async def test_what_the_edge_refuses_is_in_its_form(alone: httpx2.AsyncClient):
    answer = await alone.put("/echo/some", content=b"x" * 101)
    assert (answer.status_code, answer.json()["status"]) == (413, 413)


async def test_a_server_that_is_away_is_said_in_its_form(alone: httpx2.AsyncClient):
    answer = await alone.get("/echo")
    assert (answer.status_code, answer.json()["status"], answer.headers["retry-after"]) == (503, 503, "1")


@pytest.mark.parametrize("path", ["/echo", "/echo/"])
async def test_browsers_may_do_with_it_what_it_takes(alone: httpx2.AsyncClient, path: str):
    assert await preflight(alone, path, "PUT", "x-echo-key", "authorization", "content-type", "x-request-id")
    assert not await preflight(alone, path, "POST")
    assert not await preflight(alone, path, "PUT", "x-auth-token")
    shown = (await alone.get(path, headers={"origin": ORIGIN})).headers["access-control-expose-headers"]
    assert shown.startswith("X-Shouted, Date, ")


@pytest.mark.parametrize("path", ["/client/sync", "/v1/client/sync", "/v1/sync", "/auth/v1/sync"])
async def test_browsers_may_do_with_the_others_what_they_could_before(alone: httpx2.AsyncClient, path: str):
    assert await preflight(alone, path, "POST", "authorization", "content-type")
    assert not await preflight(alone, path, "PUT")
    assert not await preflight(alone, path, "POST", "x-echo-key")
    answer = await alone.get(path, headers={"origin": ORIGIN})
    assert "X-Shouted" not in answer.headers["access-control-expose-headers"]


async def test_its_limits_are_knobs_of_its_own(bridged: Bridged, headers: dict[str, str]):
    async with bridged_on(bridged.server, dialects=SPOKEN, echo_max_letters=3) as running:
        assert (await running.http.put("/echo/a", json={"word": "abc"}, headers=headers)).status_code == 200
        refused = await running.http.put("/echo/a", json={"word": "abcd"}, headers=headers)
        assert (refused.status_code, refused.json()["silence"]) == (400, "word: has more than 3 letters.")


def test_its_knobs_are_read_from_the_environment_and_listed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SYNCLINE_ECHO_MAX_LETTERS", "4")
    settings = settings_of(SPOKEN)
    assert settings().model_dump()["echo_max_letters"] == 4
    assert settings.model_fields["echo_max_letters"].description == "Echo: the longest word that is taken."
    assert [*settings_of(DIALECTS).model_fields, "echo_max_letters"] == [*settings.model_fields]


@pytest.mark.parametrize("options", [{"echo_max_letters": 0}, {"echo_max_words": 1}])
def test_a_knob_that_is_out_of_range_or_unknown_is_refused(options: dict[str, Any]):
    with pytest.raises(ValidationError):
        settings_of(SPOKEN)(**options)


async def test_it_is_documented_beside_the_others(alone: httpx2.AsyncClient):
    described = (await alone.get("/openapi.json")).json()
    shout = described["paths"]["/echo/{name}"]["put"]
    assert (shout["tags"], shout["description"]) == (["echo"], "Shout a word.")
    assert [one["name"] for one in shout["parameters"]] == ["name"]
    assert set(shout["responses"]) == {"200", "400", "401", "408", "413", "415", "429", "500", "503"}
    assert shout["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Shout"}
    assert "X-Shouted" in shout["responses"]["200"]["headers"]
    assert {"Shout", "Echoes", "Silence"} <= set(described["components"]["schemas"])
    assert "echo_key" in described["components"]["securitySchemes"]
    async with client_of_bridge_on(NOWHERE) as http:
        without = (await http.get("/openapi.json")).json()
    kept = {path: one for path, one in described["paths"].items() if not path.startswith("/echo")}
    assert kept == without["paths"]


async def test_two_dialects_cannot_have_the_same_paths():
    other = replace(echo.DIALECT, settings=Knobs, prefixes=("/other", "/echo/other"))
    with pytest.raises(ValueError, match="/echo/other belongs to two dialects"):
        async with bridge_on(NOWHERE, dialects=(echo.DIALECT, other)):
            pass


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ('{"word":"\\ud83d"}', "word: half of a surrogate pair"),
        ('{"word":NaN}', "word: expected value"),
        ('{"word":"a","word":"b"}', "word: Detected duplicate key"),
        ('{"word":5}', "word: expected `str`"),
        ("{}", "missing required field `word`"),
    ],
)
async def test_what_is_wrong_with_a_body_is_named_by_the_kit(alone: httpx2.AsyncClient, body: str, place: str):
    answer = await alone.put("/echo/some", content=body)
    assert (answer.status_code, place in answer.json()["silence"]) == (400, True), answer.text


async def test_a_name_beyond_ascii_comes_back_in_its_header_percent_encoded(echoing: Bridged, headers: dict[str, str]):
    answer = await echoing.http.put("/echo/J%C3%BCrgen", json={"word": "hello"}, headers=headers)
    assert (answer.status_code, answer.headers["x-shouted"]) == (200, "UTF-8''J%C3%BCrgen")
