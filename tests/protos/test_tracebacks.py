"""A log gets a few tracebacks a minute, whatever clients do."""

from syncline.tracebacks import TracebackLimit


def test_ten_tracebacks_a_minute_are_written_and_no_more():
    now = [0.0]
    limit = TracebackLimit(lambda: now[0])
    assert [limit.allows_one() for _ in range(12)] == [True] * 10 + [False] * 2
    now[0] = 59.0
    assert not limit.allows_one()
    now[0] = 60.0
    assert limit.allows_one()
