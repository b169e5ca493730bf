"""The body of a POST: what is refused, in which order, with which words."""

import json
import re
from typing import Any

import pytest

from bridge.dialects.mutation_sync.app import App, note, page_of, refusal

GOOD = note()
LONG = "x" * 129


MEMBERS = {"resource": "resource", "mutation": "type", "resourceId": "resourceId", "data": "data"}


async def problem(app: App, *mutations: Any) -> str:
    response = await app.post(-1, *mutations)
    status, kind, message = refusal(response)
    assert (status, kind) == (422, "unprocessable_entity")
    assert await app.head() == -1
    told = re.fullmatch(r"(?:Missing|Invalid) (\w+).* at mutation\[(\d+)\]", message)
    if told is not None:
        details = response.json()["details"]
        assert (details["field"], details["index"]) == (MEMBERS[told[1]], int(told[2]))
    return message


@pytest.mark.parametrize("text", ['"\\ud83d"', "NaN", "[1,,2]", '{"a":1,"a":2}', "[" * 300])
@pytest.mark.parametrize("member", ["resource", "type", "resourceId", "data"])
async def test_the_one_mutation_that_is_no_strict_json_is_named(app: App, member: str, text: str) -> None:
    bad = json.dumps({**GOOD, member: "HERE"}).replace('"HERE"', text)
    response = await app.send(-1, f'{{"mutations": [{json.dumps(GOOD)}, {bad}]}}')
    assert refusal(response)[:2] == (400, "invalid_request")
    details = response.json()["details"]
    assert (details["index"], details["field"]) == (1, member)


async def test_too_many_mutations_tell_the_limit(app: App) -> None:
    details = (await app.post(-1, *[GOOD] * 101)).json()["details"]
    assert (details["field"], details["limit"]) == ("mutations", 100)


@pytest.mark.parametrize("body", ["[]", "null", "1", '"x"', "{}", '{"mutations":null}', '{"mutations":{}}', '{"a":[]}'])
async def test_a_body_without_a_list_of_mutations_is_invalid(app: App, body: str) -> None:
    assert refusal(await app.send(-1, body)) == (422, "unprocessable_entity", "Invalid mutations")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"mutations=1",
        b'{"mutations":[]} x',
        b'{"mutations":[],"a":NaN}',
        b'{"mutations":[],"mutations":[]}',
        b'{"mutations":[{"data":{"a":1,"a":2}}]}',
        b'{"mutations":[{"data":{"a":"\\ud800"}}]}',
        b'{"mutations":["\xff"]}',
    ],
)
async def test_a_body_that_is_not_strict_json_is_400(app: App, body: bytes) -> None:
    status, kind, message = refusal(await app.send(-1, body))
    assert (status, kind) == (400, "invalid_request")
    assert message.startswith("The body is not valid JSON: ")


@pytest.mark.parametrize("count", [101, 150])
async def test_mutations_must_not_exceed_a_hundred(app: App, count: int) -> None:
    assert await problem(app, *[GOOD] * count) == "Mutations must not exceed 100"


async def test_a_hundred_mutations_are_fine(app: App) -> None:
    page = page_of(await app.post(-1, *[GOOD] * 100))
    assert (page["total"], page["limit"], len(await app.rows())) == (100, 100, 100)


@pytest.mark.parametrize(
    ("mutation", "message"),
    [
        ({}, "Missing resource at mutation[1]"),
        (None, "Missing resource at mutation[1]"),
        (7, "Missing resource at mutation[1]"),
        ([], "Missing resource at mutation[1]"),
        ({"resource": None, "type": "CREATE"}, "Missing resource at mutation[1]"),
        ({"resource": "", "type": "CREATE"}, "Missing resource at mutation[1]"),
        ({"resource": "HIGHLIGHT"}, 'Invalid resource: "HIGHLIGHT" at mutation[1]'),
        ({"resource": "note"}, 'Invalid resource: "note" at mutation[1]'),
        ({"resource": 5}, 'Invalid resource: "5" at mutation[1]'),
        ({"resource": False}, 'Invalid resource: "false" at mutation[1]'),
        ({"resource": 'a"b'}, 'Invalid resource: "a"b" at mutation[1]'),
        ({"resource": "NOTE"}, "Missing mutation type at mutation[1]"),
        ({"resource": "NOTE", "type": None}, "Missing mutation type at mutation[1]"),
        ({"resource": "NOTE", "type": ""}, "Missing mutation type at mutation[1]"),
        ({"resource": "NOTE", "type": "UPSERT"}, 'Invalid mutation type: "UPSERT" at mutation[1]'),
        ({"resource": "NOTE", "type": "create"}, 'Invalid mutation type: "create" at mutation[1]'),
        ({"resource": "NOTE", "type": {}}, 'Invalid mutation type: "{}" at mutation[1]'),
        ({"resource": "NOTE", "type": "UPDATE", "data": {}}, "Missing resourceId at mutation[1]"),
        ({"resource": "NOTE", "type": "DELETE"}, "Missing resourceId at mutation[1]"),
        (
            {"resource": "BOOKMARK", "type": "DELETE", "data": {"type": "page", "key": 1}},
            "Missing resourceId at mutation[1]",
        ),
        ({"resource": "NOTE", "type": "DELETE", "resourceId": None}, "Missing resourceId at mutation[1]"),
        ({"resource": "NOTE", "type": "DELETE", "resourceId": ""}, "Invalid resourceId at mutation[1]"),
        ({"resource": "NOTE", "type": "DELETE", "resourceId": "  "}, "Invalid resourceId at mutation[1]"),
        ({"resource": "NOTE", "type": "DELETE", "resourceId": 5}, "Invalid resourceId at mutation[1]"),
        ({"resource": "NOTE", "type": "DELETE", "resourceId": {}}, "Invalid resourceId at mutation[1]"),
        ({"resource": "NOTE", "type": "DELETE", "resourceId": LONG}, "Invalid resourceId at mutation[1]"),
        ({"resource": "NOTE", "type": "CREATE", "resourceId": "a\nb"}, "Invalid resourceId at mutation[1]"),
        ({"resource": "NOTE", "type": "CREATE", "resourceId": ""}, "Invalid resourceId at mutation[1]"),
        ({"resource": "NOTE", "type": "CREATE"}, "Missing data at mutation[1]"),
        ({"resource": "NOTE", "type": "CREATE", "data": None}, "Missing data at mutation[1]"),
        ({"resource": "NOTE", "type": "CREATE", "data": []}, "Missing data at mutation[1]"),
        ({"resource": "NOTE", "type": "UPDATE", "resourceId": "n", "data": "x"}, "Missing data at mutation[1]"),
        ({"resource": "COLLECTION_BOOKMARK", "type": "CREATE"}, "Missing data at mutation[1]"),
        ({"resource": "COLLECTION_BOOKMARK", "type": "CREATE", "data": {}}, "Missing data at mutation[1]"),
        (
            {"resource": "COLLECTION_BOOKMARK", "type": "CREATE", "resourceId": "c-b", "data": {}},
            "Missing data at mutation[1]",
        ),
        (
            {"resource": "COLLECTION_BOOKMARK", "type": "CREATE", "data": {"collectionId": "c"}},
            "Missing data at mutation[1]",
        ),
        (
            {"resource": "COLLECTION_BOOKMARK", "type": "CREATE", "data": {"collectionId": 1, "bookmarkId": "b"}},
            "Missing data at mutation[1]",
        ),
        ({"resource": "COLLECTION_BOOKMARK", "type": "DELETE"}, "Missing data at mutation[1]"),
        ({"resource": "COLLECTION_BOOKMARK", "type": "UPDATE", "data": {"a": 1}}, "Missing data at mutation[1]"),
        (
            {
                "resource": "COLLECTION_BOOKMARK",
                "type": "CREATE",
                "resourceId": "c-x",
                "data": {"collectionId": "c", "bookmarkId": "b"},
            },
            "Invalid resourceId at mutation[1]",
        ),
        (
            {
                "resource": "COLLECTION_BOOKMARK",
                "type": "CREATE",
                "data": {"collectionId": "c" * 100, "bookmarkId": "b" * 100},
            },
            "Invalid resourceId at mutation[1]",
        ),
    ],
)
async def test_what_is_wrong_with_a_mutation_is_said_with_its_index(app: App, mutation: Any, message: str) -> None:
    assert await problem(app, GOOD, mutation) == message


ORDER = [
    ([{}] * 101, "Mutations must not exceed 100"),
    ([{"type": "NO", "resourceId": 5}], "Missing resource at mutation[0]"),
    ([{"resource": "NO", "type": "NO", "resourceId": 5}], 'Invalid resource: "NO" at mutation[0]'),
    ([{"resource": "NOTE", "resourceId": 5}], "Missing mutation type at mutation[0]"),
    ([{"resource": "NOTE", "type": "NO", "resourceId": 5}], 'Invalid mutation type: "NO" at mutation[0]'),
    ([{"resource": "NOTE", "type": "UPDATE"}], "Missing resourceId at mutation[0]"),
    ([{"resource": "NOTE", "type": "UPDATE", "resourceId": 5}], "Invalid resourceId at mutation[0]"),
    ([GOOD, {"resource": "NOTE", "type": "CREATE"}, {}], "Missing data at mutation[1]"),
]


@pytest.mark.parametrize(("mutations", "message"), ORDER)
async def test_the_first_thing_wrong_is_named(app: App, mutations: list[Any], message: str) -> None:
    assert await problem(app, *mutations) == message


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", '"lastMutationAt" is required'),
        ("?lastMutationAt=", '"lastMutationAt" is required'),
        ("?lastMutationAt=x", '"lastMutationAt" must be a number'),
        ("?lastMutationAt=1&lastMutationAt=2", '"lastMutationAt" must be given once'),
    ],
)
async def test_last_mutation_at_is_required_before_the_body_is_looked_at(app: App, query: str, message: str) -> None:
    response = await app.http.post(f"/v1/sync{query}", content="{", headers=app.headers)
    assert refusal(response) == (422, "unprocessable_entity", message)


@pytest.mark.parametrize(
    ("data", "problem_text"),
    [
        ('{"a":%s}' % ("[" * 40 + "]" * 40), "must be nested at most 32 deep"),
        ('{"a":1e400}', "must not contain numbers beyond the range of a double"),
        ('{"a":%s}' % ("9" * 400), "must not contain numbers beyond the range of a double"),
        ('{"a":"%s"}' % ("x" * 262_144), "must be at most 262144 bytes, got 262152"),
    ],
)
async def test_data_that_the_server_does_not_take_is_422(app: App, data: str, problem_text: str) -> None:
    body = '{"mutations":[{"type":"CREATE","resource":"NOTE","data":{}},{"type":"CREATE","resource":"NOTE","data":%s}]}'
    expected = (422, "unprocessable_entity", f"mutation[1].data: {problem_text}")
    response = await app.send(-1, body % data)
    assert refusal(response) == expected
    details = response.json()["details"]
    assert (details["index"], details["field"]) == (1, "data")
    assert ("limitBytes" in details) is ("bytes" in problem_text)


async def test_an_update_that_grows_its_data_over_the_limit_is_422(app: App) -> None:
    half = "x" * 140_000
    [made] = await app.pushed(note(half))
    grown = {"type": "UPDATE", "resource": "NOTE", "resourceId": made["resourceId"], "data": {"more": half}}
    status, _, message = refusal(await app.post(await app.head(), note(), grown))
    assert (status, message.startswith("mutation[1].data: ")) == (422, True)


@pytest.mark.parametrize("extra", [{"unheardOf": 1}, {"timestamp": 5}, {"data": {}, "resourceId": None}])
async def test_members_that_nobody_asked_for_are_ignored(app: App, extra: dict[str, Any]) -> None:
    body = json.dumps({"mutations": [{**GOOD, **extra}], "lastMutationAt": 9, "x": []})
    assert (await app.send(-1, body)).status_code == 200
