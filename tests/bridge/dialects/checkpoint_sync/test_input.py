"""Bad input gets a clear error and changes nothing; odd but good input is kept to the byte."""

import json
from typing import Any

import pytest

from bridge.dialects.checkpoint_sync.app import App, edit, refusal

MOMENT = '"client_timestamp":"2026-01-31T12:00:00Z"'
FORM = '{"changes":[{"entity_type":"todo","entity_id":"t1","action":"create","data":%s,' + MOMENT + "}]}"
DEEP = '{"a":' * 33 + "1" + "}" * 33


async def refused(app: App, body: str | bytes, *words: str) -> None:
    status, code, message = refusal(await app.send(body))
    assert (status, code) == (400, "INVALID_INPUT")
    assert all(word in message for word in words), message
    assert (await app.pull())["changes"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"changes",
        b'{"changes":[]} {}',
        FORM.encode() % b'{"a":NaN}',
        FORM.encode() % b'{"a":Infinity}',
        FORM.encode() % b'{"a":1,"a":2}',
        FORM.encode() % b'{"a":{"b":1,"\\u0062":2}}',
        FORM.encode() % b'{"a":"\\ud800"}',
        FORM.encode() % b'{"a":"\xff"}',
        FORM.encode() % b'{"a":"\x00"}',
        FORM.encode() % (b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}"),
    ],
)
async def test_what_is_not_strict_json_is_refused(app: App, body: bytes) -> None:
    await refused(app, body, "not valid JSON")


@pytest.mark.parametrize("body", ["[]", "null", '"x"', "{}", '{"changes":null}', '{"changes":{}}', '{"changes":[1]}'])
async def test_what_is_no_batch_is_refused(app: App, body: str) -> None:
    await refused(app, body)


EMOJI_CUT_IN_TWO = '"\\ud83d"'


@pytest.mark.parametrize("member", ["entity_type", "entity_id", "action", "data", "client_timestamp"])
@pytest.mark.parametrize("text", [EMOJI_CUT_IN_TWO, "NaN", "01", "tru", "[1,,2]", '{"a":1,"a":2}', "[" * 300])
async def test_the_one_change_that_is_no_strict_json_is_named(app: App, member: str, text: str) -> None:
    """Whatever comes before it, and wherever in its change it is."""
    hard = edit(entity_id='}]"{[', data={"a": [1, {"b": '\\"'}], "c": {}})
    bad = json.dumps({**hard, member: "HERE"}).replace('"HERE"', text)
    body = f'{{"changes": [{json.dumps(hard)},\n{bad}, {json.dumps(hard)}]}}'
    error = (await app.send(body)).json()["error"]
    assert (error["code"], error["details"]) == ("INVALID_INPUT", {"index": 1, "field": member})
    assert f"changes[1].{member}" in error["message"]


async def test_half_an_emoji_is_called_so(app: App) -> None:
    await refused(app, json.dumps({"changes": [edit(data={"title": "\ud83d"})]}), "changes[0].data.title", "emoji")


@pytest.mark.parametrize("value", [None, 7, "x", [], True])
async def test_what_is_no_change_is_named(app: App, value: Any) -> None:
    error = (await app.send(json.dumps({"changes": [edit(), value]}))).json()["error"]
    assert (error["details"]["index"], "changes[1]" in error["message"]) == (1, True)


@pytest.mark.parametrize(
    ("changed", "limit"),
    [({"entity_id": "x" * 129}, 128), ({"data": {"a": "x" * 262_144}}, 262_144)],
)
async def test_a_limit_that_is_exceeded_is_told(app: App, changed: dict[str, Any], limit: int) -> None:
    details = (await app.post(edit(), {**edit(), **changed})).json()["error"]["details"]
    assert details == {"index": 1, "field": next(iter(changed)), "limit_bytes": limit}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("entity_type", ""),
        ("entity_type", "a%"),
        ("entity_type", "1a"),
        ("entity_type", "x" * 65),
        ("entity_id", ""),
        ("entity_id", "x" * 129),
        ("entity_id", "é" * 65),
        ("entity_id", "a\nb"),
        ("entity_id", "a\u0000b"),
        ("entity_id", "a\u0085b"),
        ("entity_id", 5),
        ("action", "upsert"),
        ("action", ""),
        ("data", []),
        ("data", None),
        ("client_timestamp", "yesterday"),
        ("client_timestamp", "2026-01-31T12:00:00"),
        ("client_timestamp", "1969-12-31T23:59:59Z"),
        ("client_timestamp", 5),
    ],
)
async def test_a_bad_change_is_named_by_index_and_field(app: App, member: str, value: Any) -> None:
    body = json.dumps({"changes": [edit(), {**edit(entity_id="t2", data={}), member: value}]})
    await refused(app, body, "changes[1]", member)
    details = (await app.send(body)).json()["error"]["details"]
    assert (details["index"], details["field"]) == (1, member)


@pytest.mark.parametrize("member", ["entity_type", "entity_id", "action", "data", "client_timestamp"])
async def test_a_missing_member_is_named_with_its_index(app: App, member: str) -> None:
    change = {name: value for name, value in edit().items() if name != member}
    body = json.dumps({"changes": [edit(entity_id="t2"), change]})
    await refused(app, body, "changes[1]", member)
    assert (await app.send(body)).json()["error"]["details"] == {"index": 1, "field": member}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (DEEP, "nested at most 32 deep"),
        ('{"a":1e400}', "beyond the range of a double"),
        ('{"a":%s}' % ("9" * 400), "beyond the range of a double"),
        ('{"a":"%s"}' % ("x" * 262_144), "at most 262144 bytes"),
    ],
)
async def test_data_over_a_limit_is_refused(app: App, data: str, words: str) -> None:
    await refused(app, FORM % data, "changes[0].data", words)


async def test_1001_changes_are_refused_and_1000_are_not(app: App) -> None:
    await refused(
        app, json.dumps({"changes": [edit(entity_id=f"t{number}") for number in range(1001)]}), "1000", "1001"
    )
    assert (await app.push(*(edit(entity_id=f"t{number}") for number in range(1000))))["applied"] == 1000


async def test_a_body_over_4_mib_is_413(app: App) -> None:
    response = await app.send(b" " * (4 * 1024 * 1024) + b"{}")
    assert refusal(response)[:2] == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    "data",
    [
        '{"n":9007199254740993,"m":18446744073709551616}',
        '{"p":1.10,"q":1e2,"z":-0.0,"l":[1.0,[],{}]}',
        r'{"s":"\u0000\u00e9\ud83d\ude00\/"}',
        '{ "spaced" : [ 1 , 2 ] }',
        '{"ключ":"значение","":""}',
        '{"a":' * 31 + "{}" + "}" * 31,
        '{"big":"%s"}' % ("x" * 262_134),
    ],
)
async def test_odd_but_good_data_is_kept_to_the_byte(app: App, data: str) -> None:
    assert (await app.send((FORM % data).encode())).status_code == 200
    assert f'"data":{data},' in (await app.get()).text


@pytest.mark.parametrize("entity_id", ["x" * 128, "é" * 64, " ", "a/b?c#d", "\u202e", "😀", "a b"])
async def test_odd_but_good_ids_are_kept(app: App, entity_id: str) -> None:
    await app.push(edit(entity_id=entity_id))
    assert [row["entity_id"] for row in (await app.pull())["changes"]] == [entity_id]


@pytest.mark.parametrize(
    "query", ["", "entity_type=", "entity_type=%25", "entity_type=a%25", "entity_type=a&entity_type=b"]
)
async def test_a_pull_needs_one_simple_entity_type(app: App, query: str) -> None:
    response = await app.http.get(f"/v1/client/sync?{query}", headers=app.headers)
    status, code, message = refusal(response)
    assert (status, code, message.startswith("entity_type: ")) == (400, "INVALID_INPUT", True)
