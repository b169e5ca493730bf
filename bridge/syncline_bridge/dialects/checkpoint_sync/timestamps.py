"""What RFC 3339 text means, and how moments are written."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp

_FORM = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})[Tt]"
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
    r"(?:[Zz]|(?P<sign>[+-])(?P<offset_hours>[01][0-9]|2[0-3]):(?P<offset_minutes>[0-5][0-9]))"
)
_FRACTION = re.compile(r"\.([0-9]+)")
_FRACTION_AT = 19
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS = 86_400
_END_SECONDS = 253_402_300_800  # the year 10000
_LEAP_SECOND = 60
_LAST_NANO = 999_999_999
_MICROSECOND_NANOS = 1_000
_ENDS = tuple(f".{millis:03}Z" for millis in range(1_000))
"""How a time ends, by its milliseconds: to write three digits costs more than all else of a time."""


def parse(text: str) -> tuple[int, int]:
    """Read RFC 3339 with an offset: seconds since the Unix epoch, and nanoseconds.

    Raises ValueError with a sentence for the client. What is finer than a nanosecond is cut off. Protobuf has
    no leap seconds: one becomes the last nanosecond before it.
    """
    fraction = _FRACTION.match(text, _FRACTION_AT)
    if fraction is None:
        seconds, is_leap = _second_of(text)
        nanos = 0
    else:
        seconds, is_leap = _second_of(text[:_FRACTION_AT] + text[fraction.end() :])
        nanos = int(fraction[1][:9].ljust(9, "0"))
    return seconds, _LAST_NANO if is_leap else nanos


def text_of(moment: Timestamp) -> str:
    """Write a moment in UTC with milliseconds, or microseconds if it has them."""
    millis, nanos = divmod(moment.nanos, 1_000_000)
    end = f".{moment.nanos // 1_000:06}Z" if nanos >= _MICROSECOND_NANOS else _ENDS[millis]
    return _text_of_second(moment.seconds) + end


def text_of_ms(moment_ms: int) -> str:
    """Write a number of milliseconds since the Unix epoch in UTC."""
    seconds, millis = divmod(moment_ms, 1_000)
    return _text_of_second(seconds) + _ENDS[millis]


@lru_cache(maxsize=4096)
def _second_of(text: str) -> tuple[int, bool]:
    """Read RFC 3339 without a fraction; tells whether it is a leap second, which is the second before it.

    Changes of one push tend to share theirs, and reading it anew costs more than all else of a change.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("has to be RFC 3339 with an offset, for example 2026-01-31T12:00:00.000Z")
    year, month, day, hour, minute, second = (
        int(match[part]) for part in ("year", "month", "day", "hour", "minute", "second")
    )
    is_leap = second == _LEAP_SECOND
    try:
        local = datetime(year, month, day, hour, minute, second - is_leap, tzinfo=UTC)
    except ValueError:
        raise ValueError("names a day or a time that does not exist") from None
    offset = int(match["offset_hours"] or 0) * 3_600 + int(match["offset_minutes"] or 0) * 60
    seconds = (local - _EPOCH) // timedelta(seconds=1) - (-offset if match["sign"] == "-" else offset)
    if is_leap and seconds % _DAY_SECONDS != _DAY_SECONDS - 1:
        raise ValueError("has a second 60 that is no leap second")
    if not 0 <= seconds < _END_SECONDS:
        raise ValueError("has to lie in the years 1970 to 9999")
    return seconds, is_leap


@lru_cache(maxsize=4096)
def _text_of_second(seconds: int) -> str:
    """Write a second since the Unix epoch; changes of one push, and of one page, tend to share theirs."""
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
