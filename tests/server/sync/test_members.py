"""Merging keeps the text of values; what JSON says of the result is what P5 says."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from syncline_server.rpc.json_object import json_problem
from syncline_server.sync.members import differ, merge, retain, split

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
objects = st.dictionaries(texts | st.sampled_from(["a", "b", "é", '"', "\\", "\n", ""]), values, max_size=5)
writers = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.sampled_from([None, 1, "\t"]),
        "separators": st.sampled_from([None, (",", ":"), (" ,\r\n", " : ")]),
    }
)


@given(stored=objects, pushed=objects, one=writers, other=writers)
def test_merging_texts_is_merging_objects(stored: dict[str, Any], pushed: dict[str, Any], one: Any, other: Any):
    merged = merge(json.dumps(stored, **one), json.dumps(pushed, **other))
    assert json.loads(merged) == {**stored, **pushed}
    assert list(json.loads(merged)) == list({**stored, **pushed})


@given(stored=objects, pushed=objects, writer=writers, names=st.sets(texts | st.sampled_from(["a", "b"])))
def test_retaining_is_merging_over_a_part(stored: dict[str, Any], pushed: dict[str, Any], writer: Any, names: set[str]):
    kept = {name: value for name, value in stored.items() if name in names}
    assert json.loads(retain(json.dumps(stored, **writer), names, json.dumps(pushed))) == {**kept, **pushed}


@given(stored=objects, pushed=objects, one=writers, other=writers, names=st.sets(st.sampled_from(["a", "b"])))
def test_members_differ_where_both_have_them_with_other_values(
    stored: dict[str, Any], pushed: dict[str, Any], one: Any, other: Any, names: set[str]
):
    pairs = [(stored[name], pushed[name]) for name in names if name in stored and name in pushed]
    assume(all(isinstance(value, str) for pair in pairs for value in pair))
    assert differ(json.dumps(stored, **one), names, json.dumps(pushed, **other)) is any(a != b for a, b in pairs)


@given(stored=objects, pushed=objects, writer=writers)
def test_what_is_merged_is_well_formed_again(stored: dict[str, Any], pushed: dict[str, Any], writer: Any):
    one, other = json.dumps(stored, **writer), json.dumps(pushed, **writer)
    assume(json_problem(one.encode()) is None and json_problem(other.encode()) is None)
    assert json_problem(merge(one, other).encode()) is None


@given(data=objects, writer=writers)
def test_members_are_found_with_the_text_of_their_values(data: dict[str, Any], writer: Any):
    text = json.dumps(data, **writer)
    members = split(text)
    assert {name: json.loads(value) for name, value in members.items()} == data
    assert all(value in text and value == value.strip() for value in members.values())


EXACT = [
    "9007199254740993",
    "18446744073709551616",
    "-9007199254740993",
    "9" * 308,
    "1.10",
    "1e2",
    "1E+2",
    "-0",
    "-0.0",
    "0.1000000000000000055511151231257827",
    '"\\u0000"',
    '"\\u00e9"',
    '"é"',
    '"\\/"',
    '"\\ud83d\\ude00"',
    '"😀"',
    '"a}b,{\\"c\\":1"',
    "[1, 2 ,3 ]",
    '{"x" : [ {"y":1.0} ] , "z":{}}',
    "[]",
    "true",
    "null",
]


@pytest.mark.parametrize("value", EXACT, ids=range(len(EXACT)))
def test_a_value_keeps_its_text_whether_stored_or_pushed(value: str):
    assert merge(f'{{ "kept" :\t{value}\n}}', '{"n":1}') == f'{{"kept":{value},"n":1}}'
    assert merge('{"n":1}', f' {{"new":  {value} }} ') == f'{{"n":1,"new":{value}}}'


@pytest.mark.parametrize("value", EXACT, ids=range(len(EXACT)))
def test_these_values_are_in_form(value: str):
    assert json_problem(f'{{"v":{value}}}'.encode()) is None


@pytest.mark.parametrize(
    ("stored", "pushed", "merged"),
    [
        ("{}", "{}", "{}"),
        (" { } ", "\n{\t}", "{}"),
        ('{"a":1,"b":2}', '{"a":null}', '{"a":null,"b":2}'),
        ('{"a":{"x":1}}', '{"a":{"y":2}}', '{"a":{"y":2}}'),
        ('{"\\u0061":1}', '{"a":2}', '{"a":2}'),
        ('{"é":1}', '{"\\u00e9":2}', '{"é":2}'),
        ('{"a":1}', '{"A":2}', '{"a":1,"A":2}'),
        ('{"q\\"\\\\":1}', '{"b":2}', '{"q\\"\\\\":1,"b":2}'),
        ('{"":1}', '{"":2}', '{"":2}'),
        ('{"\\u0000":1}', '{"b":2}', '{"\\u0000":1,"b":2}'),
        ('{"\\ud83d\\ude00":1}', '{"😀":2}', '{"😀":2}'),
    ],
)
def test_members_are_told_apart_by_what_their_names_say(stored: str, pushed: str, merged: str):
    assert merge(stored, pushed) == merged
