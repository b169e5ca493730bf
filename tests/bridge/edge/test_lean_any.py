"""Requests of any head and body, likely and unlikely: both ways through a bridge give the same answer to each."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.edge.both_ways import Way, request, way
from syncline_bridge.edge import bodies

EXAMPLES = 300
TARGETS = [
    *("/v1/client/sync?entity_type=todo", "/client/sync?entity_type=many", "/client/sync", "/client/entities"),
    *("/v1/sync?mutationsSince=0", "/v1/sync?lastMutationAt=-1", "/auth/v1/sync", "/echo", "/client/sync/", "/healthz"),
    "/client/sync?entity_type=todo&checkpoint_token=RATE_LIMITED",
]
BODIES = [
    *(b"", b"{}", b"{", b'{"changes":[]}', b'{"mutations":[]}', b'{"entities":[]}', b"\xff", b" " * 3_000),
    b'{"changes":[],"push_id":"STORE_UNAVAILABLE"}',
]
GOOD = ("x-api-key: known", "x-client-id: known", "x-echo-key: known", "authorization: Bearer ada")
NAMES = [
    *("X-Api-Key", "Authorization", "X-Device-Id", "X-User-Id", "X-Client-Id", "X-Auth-Token", "X-Request-Id"),
    *("Host", "Origin", "Expect", "Transfer-Encoding", "Content-Encoding", "Content-Length", "Accept-Encoding"),
    *("If-None-Match", "Connection", "Upgrade", "Idempotency-Key", "Cookie", "Content-Type", "Range", "TE", "Via"),
]
VALUES = [
    *("", "known", "Bearer ada", "Bearer", "x", "a b", "0", "2", "-1", "1e3", "9" * 30, "gzip", "br, gzip;q=0", "*"),
    *("chunked", "identity", "close", "keep-alive", "h2c", "upgrade", "http://localhost:1", "null", 'W/"x"', '"k"'),
    *("é", "\xff", "\xa0", "UTF-8''%C3%A9", "UTF-8''%ff", "%00", "a,b", "a;b", "\tknown\t", "x" * 3_000, "x" * 8_000),
]
name = st.sampled_from(NAMES)
value = st.sampled_from(VALUES) | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20)
header = st.builds("{}: {}".format, name, value)


@pytest.fixture(scope="module")
async def both() -> AsyncIterator[tuple[Way, Way]]:
    limits = {"max_body_bytes": 2_000, "body_read_timeout_seconds": 0.05}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "_LINGER_SECONDS", 0.01)
        async with way(short=True, **limits) as short, way(short=False, **limits) as long:
            yield short, long


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
@given(
    method=st.sampled_from(["GET", "POST", "POST", "GET", "HEAD", "PUT"]),
    target=st.sampled_from(TARGETS),
    headers=st.lists(header, max_size=3),
    is_known=st.sampled_from([True, True, True, False]),
    body=st.none() | st.sampled_from(BODIES),
)
async def test_any_request_has_the_same_answer_on_both_ways(
    both: tuple[Way, Way], method: str, target: str, headers: list[str], is_known: bool, body: bytes | None
):
    sent = request(method, target, *(GOOD if is_known else ()), *headers, body=body)
    answers = [await one.answer(sent) for one in both]
    assert answers[0] == answers[1]
    assert both[0].server.calls == both[1].server.calls


def test_many_of_them_have_taken_the_short_way(both: tuple[Way, Way]):
    short, long = both
    assert short.taken.count(True) > EXAMPLES // 10
    assert short.taken.count(False) > 0
    assert not any(long.taken)
