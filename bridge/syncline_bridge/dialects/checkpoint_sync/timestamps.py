"""What RFC 3339 text means, and how moments are written."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp

_FORM = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})[Tt]"
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]+))?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<offset_hours>[01][0-9]|2[0-3]):(?P<offset_minutes>[0-5][0-9]))"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS = 86_400
_END_SECONDS = 253_402_300_800  # the year 10000
_LEAP_SECOND = 60
_LAST_NANO = 999_999_999


def parse(text: str) -> Timestamp:
    """Read RFC 3339 with an offset, to the nanosecond; raises ValueError with a sentence for the client.

    What is finer than a nanosecond is cut off. Protobuf has no leap seconds: one becomes the last nanosecond before it.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("has to be RFC 3339 with an offset, for example 2026-01-31T12:00:00.000Z")
    seconds = _utc_seconds(match)
    nanos = int((match["fraction"] or "")[:9].ljust(9, "0"))
    if int(match["second"]) == _LEAP_SECOND:
        if seconds % _DAY_SECONDS != _DAY_SECONDS - 1:
            raise ValueError("has a second 60 that is no leap second")
        nanos = _LAST_NANO
    if not 0 <= seconds < _END_SECONDS:
        raise ValueError("has to lie in the years 1970 to 9999")
    return Timestamp(seconds=seconds, nanos=nanos)


def text_of(moment: Timestamp) -> str:
    """Write a moment in UTC with milliseconds, or microseconds if it has them."""
    micros = moment.nanos // 1_000
    fraction = f"{micros:06}" if micros % 1_000 else f"{micros // 1_000:03}"
    return f"{_text_of_second(moment.seconds)}.{fraction}Z"


def text_of_ms(moment_ms: int) -> str:
    """Write a number of milliseconds since the Unix epoch in UTC."""
    seconds, millis = divmod(moment_ms, 1_000)
    return f"{_text_of_second(seconds)}.{millis:03}Z"


def _utc_seconds(match: re.Match[str]) -> int:
    year, month, day, hour, minute, second = (
        int(match[part]) for part in ("year", "month", "day", "hour", "minute", "second")
    )
    try:
        local = datetime(year, month, day, hour, minute, second - (second == _LEAP_SECOND), tzinfo=UTC)
    except ValueError:
        raise ValueError("names a day or a time that does not exist") from None
    offset = int(match["offset_hours"] or 0) * 3_600 + int(match["offset_minutes"] or 0) * 60
    return (local - _EPOCH) // timedelta(seconds=1) - (-offset if match["sign"] == "-" else offset)


@lru_cache(maxsize=4096)
def _text_of_second(seconds: int) -> str:
    """Write a second since the Unix epoch; changes of one push, and of one page, tend to share theirs."""
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
