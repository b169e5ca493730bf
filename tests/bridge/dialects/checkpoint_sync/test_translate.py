"""The checkpoint-sync dialect's JSON and the contract's messages, both ways, without a server."""

from typing import Any

import msgspec
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from syncline.v1 import sync_pb2
from syncline_bridge.dialects.checkpoint_sync import translate
from syncline_bridge.dialects.checkpoint_sync.models import PushBody
from syncline_bridge.edge import json_text
from syncline_bridge.failure import Failure, RefusedError

EXACT = rb'{"n":9007199254740993,"m": 18446744073709551616,"p":1.10,"q":1e2,"z":-0.0,"s":"\u0000\u00e9","e":1e400}'
CHANGE = {
    "entity_type": "todo",
    "entity_id": "1",
    "action": "update",
    "data": {"title": "x"},
    "client_timestamp": "2026-01-31T12:00:00Z",
}
NOON_MICROS = 1_769_860_800_000_000


def push(*changes: dict[str, Any], **members: Any) -> sync_pb2.PushRequest:
    return translated(msgspec.json.encode({"changes": changes, **members}))


def translated(body: bytes) -> sync_pb2.PushRequest:
    return translate.push_request(json_text.decode(body, PushBody))


def refusal(body: bytes) -> Failure:
    with pytest.raises(RefusedError) as raised:
        translated(body)
    assert raised.value.failure.http_status == 400
    return raised.value.failure


@pytest.mark.parametrize(
    ("spelling", "action"),
    [
        ("create", sync_pb2.ACTION_CREATE),
        ("insert", sync_pb2.ACTION_CREATE),
        ("INSERT", sync_pb2.ACTION_CREATE),
        ("Update", sync_pb2.ACTION_UPDATE),
        ("dElEtE", sync_pb2.ACTION_DELETE),
    ],
)
def test_actions_are_read_in_any_letter_case_and_insert_means_create(spelling: str, action: sync_pb2.Action) -> None:
    assert push(CHANGE | {"action": spelling}).changes[0].action == action


def test_data_travels_to_the_server_byte_for_byte() -> None:
    body = b'{"changes":[{"entity_type":"a","entity_id":"1","action":"create","data":%s,' % EXACT
    request = translated(body + b'"client_timestamp":"2026-01-31T12:00:00Z"}]}')
    assert request.changes[0].data == EXACT


@pytest.mark.parametrize("data", [{}, {"data": None}, {"data": {"x": 1}}, {"data": 5}])
def test_a_delete_needs_no_data_and_loses_what_it_has(data: dict[str, Any]) -> None:
    change = {key: value for key, value in CHANGE.items() if key != "data"} | {"action": "delete"} | data
    assert push(change).changes[0].data == b""


@pytest.mark.parametrize(
    ("members", "token"), [({}, ""), ({"checkpoint_token": None}, ""), ({"checkpoint_token": "t"}, "t")]
)
def test_the_token_of_a_push_is_optional(members: dict[str, Any], token: str) -> None:
    assert push(CHANGE, **members).checkpoint_token == token


def test_unknown_members_are_ignored() -> None:
    assert push(CHANGE | {"extra": 1}, other=[1]).changes[0].entity_id == "1"


@pytest.mark.parametrize(
    ("member", "value", "place"),
    [
        ("action", "upsert", "changes[1].action: "),
        ("action", 1, "changes[1].action: "),
        ("entity_type", 1, "changes[1].entity_type: "),
        ("entity_id", 7, "changes[1].entity_id: "),
        ("entity_id", "", "changes[1].entity_id: "),
        ("data", None, "changes[1].data: "),
        ("data", [], "changes[1].data: "),
        ("data", "{}", "changes[1].data: "),
        ("client_timestamp", None, "changes[1].client_timestamp: "),
        ("client_timestamp", "yesterday", "changes[1].client_timestamp: "),
    ],
)
def test_a_bad_member_is_named_with_its_index(member: str, value: object, place: str) -> None:
    body = msgspec.json.encode({"changes": [CHANGE, CHANGE | {member: value}]})
    assert refusal(body).message.startswith(place)


@pytest.mark.parametrize("member", sorted(CHANGE))
def test_a_missing_member_is_named_with_its_index(member: str) -> None:
    change = {key: value for key, value in CHANGE.items() if key != member}
    message = refusal(msgspec.json.encode({"changes": [CHANGE, change]})).message
    assert message.startswith("changes[1]")
    assert member in message


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "BODY_NOT_JSON"),
        (b"{", "BODY_NOT_JSON"),
        (b"{} {}", "BODY_NOT_JSON"),
        (b"\xef\xbb\xbf{}", "BODY_NOT_JSON"),
        (b'{"changes":[],"a":NaN}', "BODY_NOT_JSON"),
        (b'{"changes":[],"a":-Infinity}', "BODY_NOT_JSON"),
        (b'{"changes":[],"a":01}', "BODY_NOT_JSON"),
        (b'{"changes":[],"changes":[]}', "BODY_NOT_JSON"),
        (b'{"changes":[],"a":[{"b":1,"\\u0062":2}]}', "BODY_NOT_JSON"),
        (b'{"changes":[],"a":"\\ud800"}', "BODY_NOT_JSON"),
        (b'{"changes":[],"a":"\xed\xa0\x80"}', "BODY_NOT_JSON"),
        (b'{"changes":[],"a":"\xff"}', "BODY_NOT_JSON"),
        (b'{"changes":[],"a":"\x00"}', "BODY_NOT_JSON"),
        (b'{"changes":[],"a":' + b"9" * 5_000 + b"}", "BODY_NOT_JSON"),
        (b'{"changes":[],"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "BODY_NOT_JSON"),
        (b'{"changes":' + b'{"a":' * 100_000, "BODY_NOT_JSON"),
        (b"[]", "REQUEST_INVALID"),
        (b"null", "REQUEST_INVALID"),
        (b"{}", "REQUEST_INVALID"),
        (b'{"changes":null}', "REQUEST_INVALID"),
        (b'{"changes":{}}', "REQUEST_INVALID"),
        (b'{"changes":[1]}', "REQUEST_INVALID"),
        (b'{"changes":[],"checkpoint_token":1}', "REQUEST_INVALID"),
    ],
)
def test_a_body_that_is_no_strict_json_or_no_batch_is_refused(body: bytes, reason: str) -> None:
    assert refusal(body).reason == reason


@pytest.mark.parametrize("depth", [100, 190])
def test_nesting_below_the_limit_is_passed_on(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    body = msgspec.json.encode({"changes": [CHANGE | {"data": {"a": msgspec.Raw(nested)}}]})
    assert nested in translated(body).changes[0].data


def test_replays_count_as_applied_and_conflicts_carry_the_servers_version() -> None:
    stored = sync_pb2.Change(
        entity_type="todo", entity_id="é", action=sync_pb2.ACTION_UPDATE, data=EXACT, revision=NOON_MICROS + 123_456
    )
    answer = translate.pushed(
        sync_pb2.PushResponse(
            results=[
                sync_pb2.PushResult(outcome=sync_pb2.OUTCOME_APPLIED),
                sync_pb2.PushResult(outcome=sync_pb2.OUTCOME_APPLIED, replayed=True),
                sync_pb2.PushResult(outcome=sync_pb2.OUTCOME_CONFLICT, change=stored),
            ],
            checkpoint_token="t",
        )
    )
    assert (answer.applied, answer.checkpoint_token, len(answer.conflicts)) == (2, "t", 1)
    assert msgspec.json.encode(answer.conflicts[0]).decode() == (
        '{"entity_type":"todo","entity_id":"é","resolution":"server_wins","server_data":'
        r'{"n":9007199254740993,"m":18446744073709551616,"p":1.10,"q":1e2,"z":-0.0,"s":"\u0000\u00e9","e":1e400,'
        f'"last_synced_at":"2026-01-31T12:00:00.123Z"}},"revision":{NOON_MICROS + 123_456}}}'
    )


@pytest.mark.parametrize(
    ("data", "server_data"),
    [
        (b"", {"last_synced_at": "2026-01-31T12:00:00.000Z", "deleted": True}),
        (b'{"a":1}', {"a": 1, "last_synced_at": "2026-01-31T12:00:00.000Z", "deleted": True}),
        (b'{"last_synced_at":1,"deleted":0}', {"last_synced_at": "2026-01-31T12:00:00.000Z", "deleted": True}),
    ],
)
def test_a_conflict_with_a_tombstone_says_deleted(data: bytes, server_data: dict[str, Any]) -> None:
    stored = sync_pb2.Change(action=sync_pb2.ACTION_DELETE, data=data, revision=NOON_MICROS)
    result = sync_pb2.PushResult(outcome=sync_pb2.OUTCOME_CONFLICT, change=stored)
    [conflict] = translate.pushed(sync_pb2.PushResponse(results=[result])).conflicts
    assert msgspec.json.decode(msgspec.json.encode(conflict.server_data)) == server_data


def test_a_pull_asks_for_a_hundred_changes_and_a_reset_where_needed() -> None:
    request = translate.pull_request([("entity_type", "collections.posts"), ("other", "1"), ("other", "2")])
    assert request == sync_pb2.PullRequest(entity_types=["collections.posts"], page_size=100, reset_when_expired=True)


@pytest.mark.parametrize(("token", "position"), [("", None), ("t", "checkpoint_token")])
def test_an_empty_token_is_an_absent_token(token: str, position: str | None) -> None:
    request = translate.pull_request([("entity_type", "a"), ("checkpoint_token", token)])
    assert request.WhichOneof("position") == position


@pytest.mark.parametrize("entity_type", ["a", "_", "A1._-", "a" * 64])
def test_simple_identifiers_are_entity_types(entity_type: str) -> None:
    assert translate.pull_request([("entity_type", entity_type)]).entity_types == [entity_type]


@pytest.mark.parametrize(
    "query",
    [
        [],
        [("entity_type", "")],
        [("entity_type", "%")],
        [("entity_type", "a%")],
        [("entity_type", "1a")],
        [("entity_type", ".a")],
        [("entity_type", "a b")],
        [("entity_type", "a\n")],
        [("entity_type", "é")],
        [("entity_type", "a" * 65)],
        [("entity_type", "a"), ("entity_type", "a")],
        [("entity_type", "a"), ("checkpoint_token", "t"), ("checkpoint_token", "t")],
    ],
)
def test_a_pull_without_one_simple_entity_type_is_refused(query: list[tuple[str, str]]) -> None:
    with pytest.raises(RefusedError) as raised:
        translate.pull_request(query)
    assert raised.value.failure.http_status == 400


@pytest.mark.parametrize(
    ("action", "name", "data"),
    [
        (sync_pb2.ACTION_CREATE, "create", EXACT),
        (sync_pb2.ACTION_UPDATE, "update", EXACT),
        (sync_pb2.ACTION_DELETE, "delete", b"{}"),
    ],
)
def test_pulled_data_is_what_is_stored_and_empty_for_a_delete(action: sync_pb2.Action, name: str, data: bytes) -> None:
    stored = sync_pb2.Change(
        entity_type="a",
        entity_id="1",
        action=action,
        data=EXACT,
        client_timestamp=Timestamp(seconds=1, nanos=5_000),
        revision=7,
    )
    page = translate.pulled(sync_pb2.PullResponse(changes=[stored], checkpoint_token="t", has_more=True))
    assert msgspec.json.encode(page) == (
        b'{"changes":[{"entity_type":"a","entity_id":"1","action":"%s","data":%s,'
        b'"client_timestamp":"1970-01-01T00:00:01.000005Z","revision":7}],"checkpoint_token":"t","has_more":true}'
    ) % (name.encode(), data)


def test_reset_is_said_only_when_true() -> None:
    quiet = msgspec.json.encode(translate.pulled(sync_pb2.PullResponse(checkpoint_token="t")))
    reset = msgspec.json.encode(translate.pulled(sync_pb2.PullResponse(checkpoint_token="t", reset=True)))
    assert quiet == b'{"changes":[],"checkpoint_token":"t","has_more":false}'
    assert reset == b'{"changes":[],"checkpoint_token":"t","has_more":false,"reset":true}'
