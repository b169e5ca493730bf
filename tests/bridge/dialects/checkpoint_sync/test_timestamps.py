"""RFC 3339 in and out."""

from contextlib import suppress

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from syncline_bridge.dialects.checkpoint_sync import timestamps

NOON = 1_769_860_800  # 2026-01-31T12:00:00Z


@pytest.mark.parametrize(
    ("text", "seconds", "nanos"),
    [
        ("2026-01-31T12:00:00Z", NOON, 0),
        ("2026-01-31t12:00:00z", NOON, 0),
        ("2026-01-31T13:30:00+01:30", NOON, 0),
        ("2026-01-31T07:00:00-05:00", NOON, 0),
        ("2026-01-31T12:00:00-00:00", NOON, 0),
        ("2026-02-01T11:59:00+23:59", NOON, 0),
        ("2026-01-31T12:00:00.1Z", NOON, 100_000_000),
        ("2026-01-31T12:00:00.123456Z", NOON, 123_456_000),
        ("2026-01-31T12:00:00.1234567899999Z", NOON, 123_456_789),
        ("2024-02-29T00:00:00Z", 1_709_164_800, 0),
        ("1970-01-01T00:00:00Z", 0, 0),
        ("1969-12-31T23:00:00-01:00", 0, 0),
        ("9999-12-31T23:59:59.999999999Z", 253_402_300_799, 999_999_999),
        ("2016-12-31T23:59:60Z", 1_483_228_799, 999_999_999),
        ("2016-12-31T18:59:60.5-05:00", 1_483_228_799, 999_999_999),
    ],
)
def test_rfc_3339_is_read_to_the_nanosecond(text: str, seconds: int, nanos: int) -> None:
    assert timestamps.parse(text) == (seconds, nanos)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1769860800",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31 12:00:00Z",
        "2026-01-31T12:00Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00,5Z",
        "2026-01-31T12:00:00+0100",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+01:60",
        "2026-1-31T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-00-01T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:61Z",
        "2026-01-31T12:00:60Z",
        "0000-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "+2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00Z\n",
        "٢٠٢٦-01-31T12:00:00Z",
    ],
)
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(has|names) "):
        timestamps.parse(text)


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "2026-01-31T12:00:00.000Z"),
        (120_000_000, "2026-01-31T12:00:00.120Z"),
        (120_001_000, "2026-01-31T12:00:00.120001Z"),
        (999_999_999, "2026-01-31T12:00:00.999999Z"),
        (999, "2026-01-31T12:00:00.000Z"),
    ],
)
def test_moments_are_written_in_utc_with_milliseconds_or_microseconds(nanos: int, text: str) -> None:
    assert timestamps.text_of(Timestamp(seconds=NOON, nanos=nanos)) == text


@given(seconds=st.integers(0, 253_402_300_799), micros=st.integers(0, 999_999))
def test_what_is_written_reads_the_same(seconds: int, micros: int) -> None:
    moment = Timestamp(seconds=seconds, nanos=micros * 1_000)
    assert timestamps.parse(timestamps.text_of(moment)) == (moment.seconds, moment.nanos)


@given(st.text(max_size=40))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with suppress(ValueError):
        timestamps.parse(text)
