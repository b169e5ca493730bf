"""What is refused, in one line of plain text that names the place, with nothing written."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.bridged import Bridged, bridged_on, client_of_bridge_on
from bridge.dialects.rxdb.app import App, doc, refusal, row
from syncline_bridge.dialects.rxdb.settings import RxdbSettings

STRANGE = {"newDocumentState": doc(), "assumedMasterState": doc("tea")}


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ({}, "body: expected `array`, got `object`."),
        ([{}], "[0]: missing required field `newDocumentState`."),
        ([row(doc()), {"newDocumentState": 1}], "[1].newDocumentState: has to be an object."),
        (
            [{"newDocumentState": {"id": "milk"}}],
            "[0] (milk) newDocumentState._deleted: has to be true or false; deletedField may name no other.",
        ),
        (
            [row(doc(), {"id": "milk"})],
            "[0] (milk) assumedMasterState._deleted: has to be true or false; deletedField may name no other.",
        ),
        ([STRANGE], "[0] (milk) assumedMasterState.id: is that of another document."),
        (
            [row({"isbn": "1", "_deleted": False})],
            "[0]: id, the primary key, has to be there and a string; another member is named in the path: "
            "/rxdb/by-{primaryKey}/{collection}/{schemaVersion}.",
        ),
        (
            [row(doc(_attachments={"f": {}}))],
            "[0] (milk) newDocumentState._attachments: has to be empty: attachments are not synced.",
        ),
        ([row(doc()), row(doc(""))], "[1] () newDocumentState.id: must be 1 to 128 bytes long."),
        ([row(doc("a\nb"))], "[0] (a\\nb) newDocumentState.id: must not contain control characters."),
    ],
)
async def test_rows_out_of_form_are_refused(app: App, rows: Any, line: str):
    assert refusal(await app.send(json.dumps(rows))) == (400, line)
    assert await app.documents() == {}


async def test_a_document_that_is_too_large_is_named_and_written_no_more_than_the_rest(app: App):
    status, line = refusal(await app.send(json.dumps([row(doc()), row(doc("large", text="x" * 270_000))])))
    assert status == 400
    assert line.startswith("[1] (large)")
    assert "262144" in line
    assert await app.documents() == {}


async def test_a_body_over_the_limit_of_the_dialect_is_refused(bridged: Bridged, user: str):
    async with bridged_on(bridged.server, rxdb_max_body_bytes=5000, max_body_bytes=100) as running:
        app = App(running, user)
        assert await app.push(row(doc(text="x" * 4000))) == []
        answer = await app.send(json.dumps([row(doc(text="x" * 5000))]))
        assert refusal(answer) == (413, "The body is larger than 5000 bytes.")


async def test_a_large_body_may_come_compressed(bridged: Bridged, app: App):
    import gzip

    body = gzip.compress(json.dumps([row(doc(f"d{at}", text="x" * 100_000)) for at in range(50)]).encode())
    answer = await app.http.post(f"{app.path}/push", content=body, headers={**app.headers, "content-encoding": "gzip"})
    assert (answer.status_code, answer.text) == (200, "[]"), "5 MB is more than other dialects take"


async def test_what_is_no_json_is_named(app: App):
    status, line = refusal(await app.send(b'[{"newDocumentState":{"id":"milk","n":NaN,"_deleted":false}}]'))
    assert (status, "newDocumentState.n" in line) == (400, True), line


async def test_without_credentials_nothing_is_read(bridged: Bridged):
    for method, name in (("GET", "pull"), ("GET", "pullStream"), ("POST", "push")):
        answer = await bridged.http.request(method, f"/rxdb/todo/0/{name}", content=b"[" if method == "POST" else None)
        assert refusal(answer)[0] == 401
    assert refusal(await bridged.http.post("/rxdb/ticket"))[0] == 401


async def test_a_collection_outside_the_scopes_is_refused(bridged: Bridged, user: str):
    app = App(bridged, user, scope="note.read note.write")
    answers = [await app.get(), await app.send(json.dumps([row(doc())]))]
    answers.append(await app.http.get(f"{app.path}/pullStream", headers=app.headers))
    assert {refusal(one) for one in answers} == {(403, "The session may not use this entity type.")}


async def test_a_schema_that_is_too_old_is_told_to_be_updated(bridged: Bridged, user: str):
    async with bridged_on(bridged.server, rxdb_min_schema_versions="todo=2") as running:
        app = App(running, user, path="/rxdb/todo/1")
        line = "schemaVersion: 1 of todo is no longer served; at least 2 is. Update the app."
        answers = [await app.get(), await app.send("[]")]
        answers.append(await app.http.get("/rxdb/todo/1/pullStream", headers=app.headers))
        assert [refusal(one) for one in answers] == [(426, line)] * 3
        assert await App(running, user, path="/rxdb/todo/2").push(row(doc())) == []
        assert await App(running, user, path="/rxdb/note/0").push(row(doc())) == []


def test_the_lowest_versions_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SYNCLINE_RXDB_MIN_SCHEMA_VERSIONS", "todo=2, note=1")
    assert RxdbSettings().least_versions == {"todo": 2, "note": 1}
    for wrong in ("todo", "todo=-1", "todo=x", "1=1"):
        monkeypatch.setenv("SYNCLINE_RXDB_MIN_SCHEMA_VERSIONS", wrong)
        with pytest.raises(ValidationError):
            RxdbSettings()


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/rxdb/to%20do/0/pull", "collection: has to be a letter or _"),
        ("/rxdb/todo/one/pull", "schemaVersion: has to be a whole number"),
        ("/rxdb/by-_deleted/todo/0/pull", "primaryKey: must neither begin with _"),
        ("/rxdb/nothing", "There is nothing at this path."),
    ],
)
async def test_paths_out_of_form_are_refused(bridged: Bridged, app: App, path: str, line: str):
    answer = await bridged.http.get(path, headers=app.headers)
    status, text = refusal(answer)
    assert (status, text.startswith(line)) == (404 if "nothing" in path else 400, True), text


async def test_a_server_that_is_away_is_said_with_when_to_come_again():
    async with client_of_bridge_on("127.0.0.1:1") as http:
        answer = await http.post("/rxdb/todo/0/push", json=[row(doc())])
    assert refusal(answer) == (503, "The server cannot answer right now. Try again soon.")
    assert answer.headers["retry-after"] == "1"
