"""Bad input gets a clear error that names the field and the limit, and changes nothing; good input is kept exactly."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from harness import Server, change, now_ms, outcomes, refused
from syncline.v1 import sync_pb2

KIB = 1024


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def sized(size: int) -> bytes:
    return b'{"a":"' + b"x" * (size - 8) + b'"}'


BAD_DATA = {
    "no JSON": b"{",
    "nothing but space": b" ",
    "trailing comma": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "a comment": b"{} // x",
    "two objects": b"{}{}",
    "an array": b"[1]",
    "a string": b'"a"',
    "null": b"null",
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":[-Infinity]}',
    "1e400": b'{"a":1e400}',
    "-1e400 deep inside": b'{"a":{"b":[0,-1e400]}}',
    "too large without an exponent": b'{"a":' + b"9" * 400 + b".5}",
    "a whole number of 400 digits": b'{"a":' + b"9" * 400 + b"}",
    "a whole number of 400 digits deep inside": b'{"a":[{"b":-1' + b"0" * 399 + b"}]}",
    "the first whole number that is too large": b'{"a":%d}' % (2**1024 - 2**970),
    "duplicate keys": b'{"a":1,"a":2}',
    "duplicate keys, one escaped": b'{"a":1,"\\u0061":2}',
    "duplicate keys deep inside": b'{"a":[{"b":1,"b":1}]}',
    "a huge duplicate key": b'{"' + b"k" * 100_000 + b'":1,"' + b"k" * 100_000 + b'":2}',
    "a lone surrogate": b'{"a":"\\ud800"}',
    "a lone low surrogate": b'{"a":"\\udc00"}',
    "surrogates the wrong way round": b'{"a":"\\udc00\\ud800"}',
    "a lone surrogate in a key": b'{"\\ud800":1}',
    "invalid UTF-8": b'{"a":"\xff"}',
    "an encoded surrogate": b'{"a":"\xed\xa0\x80"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a raw control character": b'{"a":"\x00"}',
    "33 deep": nested(33),
    "5000 deep": b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "one byte over": sized(256 * KIB + 1),
}

GOOD_DATA = {
    "2^53+1": b'{"n":9007199254740993}',
    "2^64": b'{"n":18446744073709551616}',
    "many digits": b'{"n":0.1000000000000000055511151231257827,"m":1.10,"e":1E+2,"z":-0.0}',
    "a NUL": b'{"a":"\\u0000","\\u0000":1}',
    "unicode": '{"é":"😀","x":"\u2028"}'.encode(),
    "escapes": b'{"a":"\\ud83d\\ude00\\/\\u00e9"}',
    "white space": b' {\t"a" :\r\n[ ] } ',
    "32 deep": nested(32),
    "exactly the limit": sized(256 * KIB),
}


@pytest.mark.parametrize("data", BAD_DATA.values(), ids=BAD_DATA)
async def test_data_that_is_no_strict_json_object_is_refused(shared_server: Server, user: str, data: bytes):
    async with shared_server.client(user) as client:
        told = await refused(client.push(change("create", "good"), change("create", "bad", data)))
        assert (told.code, told.reason) == ("INVALID_ARGUMENT", "CHANGE_INVALID")
        assert told.metadata.items() >= {"index": "1", "field": "data"}.items()
        assert [field for field, _ in told.violations] == ["changes[1].data"]
        assert len(told.message) < 500
        assert (await client.pull()).head_ms == 0


@pytest.mark.parametrize("action", ["update", "delete"])
async def test_data_of_every_action_is_checked(shared_server: Server, user: str, action: str):
    async with shared_server.client(user) as client:
        assert (await refused(client.push(change(action, "bad", b"[1]")))).metadata["field"] == "data"


@pytest.mark.parametrize("data", GOOD_DATA.values(), ids=GOOD_DATA)
async def test_data_is_kept_to_the_byte(shared_server: Server, user: str, data: bytes):
    async with shared_server.client(user) as client:
        await client.push(change("create", "e1", data))
        assert (await client.pull("todo")).changes[0].data == data
        (message,) = [one async for one in client.stream("todo")]
        assert message.changes[0].data == data


async def test_values_are_kept_to_the_byte_through_a_merge(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        await client.push(change("create", "e1", b'{"n":9007199254740993,"m":1.10}'))
        merged = await client.push(change("update", "e1", b'{"k":18446744073709551616}'))
        assert merged.results[0].change.data == b'{"n":9007199254740993,"m":1.10,"k":18446744073709551616}'


BAD_FIELDS = {
    "no type": ("entity_type", {"entity_type": ""}, "at most 64"),
    "a type of 65": ("entity_type", {"entity_type": "t" * 65}, "at most 64"),
    "a type with a digit first": ("entity_type", {"entity_type": "1todo"}, "a letter"),
    "a type with a space": ("entity_type", {"entity_type": "to do"}, "a letter"),
    "a type with a newline": ("entity_type", {"entity_type": "todo\n"}, "a letter"),
    "a type beyond ASCII": ("entity_type", {"entity_type": "tödo"}, "a letter"),
    "an id of 129 bytes": ("entity_id", {"entity_id": "x" * 129}, "1 to 128 bytes"),
    "an id of 65 é": ("entity_id", {"entity_id": "é" * 65}, "1 to 128 bytes"),
    "an id with a NUL": ("entity_id", {"entity_id": "a\0b"}, "control characters"),
    "an id with a newline": ("entity_id", {"entity_id": "a\n"}, "control characters"),
    "an id with DEL": ("entity_id", {"entity_id": "\x7f"}, "control characters"),
    "an id with C1": ("entity_id", {"entity_id": "\x85"}, "control characters"),
    "no action": ("action", {"action": 0}, "create, update or delete"),
    "an unknown action": ("action", {"action": 4}, "create, update or delete"),
    "a negative base": ("base_revision", {"base_revision": -1}, "0 or more"),
    "a time before 1970": ("client_timestamp", {"client_timestamp": Timestamp(seconds=-1)}, "1970 to 9999"),
    "a time after 9999": ("client_timestamp", {"client_timestamp": Timestamp(seconds=253402300800)}, "1970 to 9999"),
    "negative nanos": ("client_timestamp", {"client_timestamp": Timestamp(seconds=5, nanos=-1)}, "1970 to 9999"),
    "too many nanos": ("client_timestamp", {"client_timestamp": Timestamp(seconds=5, nanos=10**9)}, "1970 to 9999"),
}


@pytest.mark.parametrize(("field", "values", "limit"), BAD_FIELDS.values(), ids=BAD_FIELDS)
async def test_a_malformed_change_is_refused(shared_server: Server, user: str, field: str, values: Any, limit: str):
    bad = sync_pb2.Change(**{"entity_type": "todo", "entity_id": "e", "action": sync_pb2.ACTION_CREATE, **values})
    async with shared_server.client(user) as client:
        told = await refused(client.push(change(), change("create", "e2"), bad))
        assert (told.code, told.reason) == ("INVALID_ARGUMENT", "CHANGE_INVALID")
        assert told.metadata.items() >= {"index": "2", "field": field}.items()
        assert ("limit_bytes" in told.metadata) is ("128 bytes" in limit)
        ((named, problem),) = told.violations
        assert named == f"changes[2].{field}"
        assert limit in problem
        assert named in told.message
        assert (await client.pull()).head_ms == 0


@pytest.mark.parametrize("action", ["update", "delete"])
async def test_only_a_create_may_leave_out_its_id(shared_server: Server, user: str, action: str):
    async with shared_server.client(user) as client:
        told = await refused(client.push(change(action, "")))
        assert told.violations == [("changes[0].entity_id", "must be 1 to 128 bytes long")]


@pytest.mark.parametrize("entity_id", ["x" * 128, "é" * 64, " ", "a/b%_?#", "\u2028", "😀", "\u200e"])
async def test_an_id_may_be_anything_without_control_characters(shared_server: Server, user: str, entity_id: str):
    async with shared_server.client(user) as client:
        assert outcomes(await client.push(change("create", entity_id))) == "a"
        assert (await client.pull()).changes[0].entity_id == entity_id


@pytest.mark.parametrize("at_ms", [0, now_ms() + 30 * 86_400_000, 253_402_300_799_999], ids=["1970", "soon", "9999"])
async def test_a_time_is_taken_however_early_or_late_it_is(shared_server: Server, user: str, at_ms: int):
    async with shared_server.client(user) as client:
        assert outcomes(await client.push(change(at_ms=at_ms))) == "a"


@pytest.mark.parametrize(("count", "fits"), [(1000, True), (1001, False)])
async def test_a_push_has_at_most_a_thousand_changes(shared_server: Server, user: str, count: int, fits: bool):
    async with shared_server.client(user) as client:
        push = client.push(*[change("create", f"e{at}") for at in range(count)])
        if fits:
            assert outcomes(await push) == "a" * count
            return
        told = await refused(push)
        assert (told.code, told.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
        assert told.violations == [("changes", "must be at most 1000, got 1001")]
        assert told.metadata == {"field": "changes", "limit": "1000"}
        assert (await client.pull()).head_ms == 0


async def test_a_message_over_four_mib_is_refused_by_grpc_itself(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        data = {"x": "x" * 250_000}
        with pytest.raises(Exception, match="larger than max") as told:
            await client.push(*[change("create", f"e{at}", data) for at in range(18)])
        assert told.value.code().name == "RESOURCE_EXHAUSTED"
        assert (await client.pull()).head_ms == 0


async def test_too_many_identifying_members_are_refused(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        one = change("create", "e")
        one.identifying_members.extend(["a"] * 17)
        told = await refused(client.push(one))
        assert told.reason == "CHANGE_INVALID"
        assert told.violations == [("changes[0].identifying_members", "must be at most 16")]


BAD_PULLS = {
    "a page of 1001": ({"page_size": 1001}, "page_size", "0 to 1000"),
    "a negative page": ({"page_size": -1}, "page_size", "0 to 1000"),
    "a negative skip": ({"skip": -1}, "skip", "0 or more"),
    "a negative page number": ({"page_number": -1}, "page_number", "1 or more"),
    "a page number and a skip": ({"page_number": 2, "skip": 1}, "page_number", "without skip"),
    "a negative revision": ({"after_revision": -1}, "after_revision", "0 to"),
    "a revision past all time": ({"after_revision": 2**63 - 1}, "after_revision", "0 to"),
    "a bad type": ({"entity_types": ["todo", "to do"]}, "entity_types[1]", "a letter"),
    "101 types": ({"entity_types": [f"t{at}" for at in range(101)]}, "entity_types", "at most 100"),
}


@pytest.mark.parametrize(("fields", "field", "limit"), BAD_PULLS.values(), ids=BAD_PULLS)
async def test_a_malformed_pull_is_refused(shared_server: Server, user: str, fields: Any, field: str, limit: str):
    async with shared_server.client(user) as client:
        types = fields.get("entity_types", ())
        told = await refused(client.pull(*types, **{k: v for k, v in fields.items() if k != "entity_types"}))
        assert (told.code, told.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
        assert told.violations[0][0] == field
        assert limit in told.violations[0][1]


async def test_a_negative_expected_head_is_refused(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        told = await refused(client.push(change(), expected_head_ms=-1))
        assert told.violations == [("expected_head_ms", "must be 0 or more")]


@pytest.mark.parametrize("method", ["Push", "Pull", "StreamPull", "CreateTicket"])
@pytest.mark.parametrize("raw", [b"\x12\x01\xff", b"\x12\x7f", b"\xff" * 20], ids=["not UTF-8", "cut", "noise"])
async def test_what_is_no_message_is_the_clients_fault(shared_server: Server, user: str, method: str, raw: bytes):
    async with shared_server.client(user) as client, aio.insecure_channel(shared_server.address) as channel:
        if method == "CreateTicket":
            raw = b"\x12\x7f"  # it has no fields, so any bytes that hold some are a message
        make = channel.unary_stream if method == "StreamPull" else channel.unary_unary
        call = make(f"/syncline.v1.SyncService/{method}")(raw, metadata=client.metadata)
        told = await refused(call.read() if method == "StreamPull" else call)
        assert (told.code, told.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
        assert told.violations


UNDECODABLE = {
    "a type": (b"\x0a\x01\xff", {"index": "1", "field": "entity_type"}),
    "half an emoji in an id": (b"\x12\x03\xed\xa0\xbd", {"index": "1", "field": "entity_id"}),
    "a cut change": (b"\x12\x7f", {"index": "1"}),
    "noise": (b"\xff", {"index": "1"}),
}


@pytest.mark.parametrize(("bad", "named"), UNDECODABLE.values(), ids=UNDECODABLE)
async def test_the_one_change_that_is_no_message_is_named(shared_server: Server, user: str, bad: bytes, named: Any):
    good = change().SerializeToString()
    raw = b"".join(b"\x0a" + bytes([len(one)]) + one for one in (good, bad, good))
    async with shared_server.client(user) as client, aio.insecure_channel(shared_server.address) as channel:
        told = await refused(channel.unary_unary("/syncline.v1.SyncService/Push")(raw, metadata=client.metadata))
        assert (told.code, told.reason, told.metadata) == ("INVALID_ARGUMENT", "CHANGE_INVALID", named)
        assert told.violations[0][0].startswith("changes[1]")
        assert (await client.pull()).head_ms == 0


async def test_a_string_of_a_request_that_is_not_utf8_is_named(shared_server: Server, user: str):
    async with shared_server.client(user) as client, aio.insecure_channel(shared_server.address) as channel:
        call = channel.unary_unary("/syncline.v1.SyncService/Push")(b"\x12\x01\xff", metadata=client.metadata)
        assert (await refused(call)).violations == [("checkpoint_token", "must be UTF-8")]
