"""Data of many changes is looked at at once, and found good only where each would be found good alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_server.rpc import json_object
from syncline_server.rpc.json_object import are_small_objects, json_problem

GOOD = [
    b"{}",
    b'{"a":[1e3,"3e999"]}',
    b'{"a":1}',
    b'{"a":[1,{"b":null}]}',
    b' {"a" : "\\u00e9"} ',
    b'{"a":"]},{["}',
    '{"é":"😀"}'.encode(),
]
SPOILT = [
    b"",
    b"1",
    b"[]",
    b'"a"',
    b"{}{}",
    b"{},{}",
    b'{"a":1',
    b'"b":2}',
    b'{"a":[1',
    b"2]}",
    b'{"a":"',
    b'"}',
    b'{"a":1,"a":2}',
    b'{"a":NaN}',
    b'{"a":1e400}',
    b'{"a":[1e2,-1E999]}',
    b'{"a":' + b"9" * 310 + b"}",
    b'{"a":"\\ud800"}',
    b'{"a":"\xff"}',
    b'{"a":' * 40 + b"1" + b"}" * 40,
]


@given(st.lists(st.sampled_from(GOOD), min_size=1, max_size=20))
def test_good_data_is_good_together(texts: list[bytes]):
    assert are_small_objects(texts)


@given(
    st.lists(st.sampled_from(GOOD), max_size=5), st.sampled_from(SPOILT), st.lists(st.sampled_from(GOOD), max_size=5)
)
def test_one_that_is_spoilt_is_never_taken_for_good(before: list[bytes], spoilt: bytes, after: list[bytes]):
    assert json_problem(spoilt) is not None
    assert not are_small_objects([*before, spoilt, *after])


@given(st.lists(st.sampled_from([*SPOILT, *GOOD]), min_size=2, max_size=4))
def test_what_is_good_only_together_is_not_taken_for_good(texts: list[bytes]):
    assert not are_small_objects(texts) or all(json_problem(text) is None for text in texts)


@given(st.lists(st.binary(max_size=12), min_size=1, max_size=4))
def test_no_bytes_are_taken_for_good_that_are_not(texts: list[bytes]):
    assert not are_small_objects(texts) or all(json_problem(text) is None for text in texts)


def test_halves_that_hold_the_word_between_would_pass_so_nobody_can_know_it(monkeypatch: pytest.MonkeyPatch):
    halves = [b'{"a":1},"0",{"b":[1', b"2]}"]
    assert not are_small_objects(halves)
    monkeypatch.setattr(json_object.os, "urandom", bytes)
    assert are_small_objects(halves)
