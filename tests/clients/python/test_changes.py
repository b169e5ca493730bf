"""Changes as users of the client make and read them."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_client import Action, NewChange, create, delete, moment_of, revision_at, update
from syncline_client.changes import Data, as_json

moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))
texts = st.text(st.characters(codec="utf-8"))
values = st.recursive(st.none() | st.booleans() | st.integers() | texts, st.lists, max_leaves=5)


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b'{ "n" : 1.0 }', b'{ "n" : 1.0 }'),
        ('{"name": "Zoë"}', '{"name": "Zoë"}'.encode()),
        ({"name": "Zoë", "n": 2**53 + 1}, '{"name":"Zoë","n":9007199254740993}'.encode()),
        ({}, b"{}"),
    ],
)
def test_text_is_kept_and_a_mapping_is_written_as_json(data: Data, kept: bytes):
    assert create("todo", "milk", data).data == kept


@given(st.dictionaries(texts, values))
def test_a_mapping_survives_being_written(data: dict[str, object]):
    assert json.loads(as_json(data)) == data


@pytest.mark.parametrize("data", [{"n": float("nan")}, {"lone": "\ud800"}])
def test_what_json_cannot_say_is_refused_at_once(data: Data):
    with pytest.raises(ValueError, match=r"JSON|surrogates"):
        create("todo", "milk", data)


def test_a_create_without_an_id_gets_one_here():
    first, second = create("todo"), create("todo")
    assert first.entity_id
    assert first.entity_id != second.entity_id


def test_each_constructor_says_what_it_does():
    made = [create("todo", "a"), update("todo", "a", {}), delete("todo", "a", retained_members=["title"])]
    assert [one.action for one in made] == [Action.CREATE, Action.UPDATE, Action.DELETE]
    assert made[2].retained_members == ("title",)


def test_an_empty_id_is_refused():
    with pytest.raises(ValueError, match="entity_id"):
        NewChange("todo", "", Action.CREATE, b"")


def test_a_time_without_a_zone_is_refused():
    naive = datetime(2026, 11, 21)
    with pytest.raises(ValueError, match="time zone"):
        create("todo", client_timestamp=naive)
    with pytest.raises(ValueError, match="time zone"):
        revision_at(naive)


@given(moments)
def test_a_revision_is_a_moment_to_the_microsecond(moment: datetime):
    assert moment_of(revision_at(moment)) == moment


def test_a_moment_of_any_zone_has_its_revision():
    moment = datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert revision_at(moment) == 0
