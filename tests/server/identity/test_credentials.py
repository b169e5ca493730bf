"""What of a call's metadata are credentials."""

import pytest

from syncline_server.identity.credentials import Credentials, credentials_of
from syncline_server.sync.errors import RequestInvalid


def test_what_is_not_sent_is_empty():
    assert credentials_of(None) == credentials_of([("user-agent", "x")]) == Credentials("", "", "", "")


@pytest.mark.parametrize(
    ("authorization", "token"),
    [("Bearer a", "a"), ("bearer  a ", "a"), ("BEARER a", "a"), ("Basic a", ""), ("a", ""), ("", ""), ("Bearer", "")],
)
def test_the_token_is_a_bearers(authorization: str, token: str):
    assert credentials_of([("authorization", authorization)]).bearer_token == token


@pytest.mark.parametrize("name", ["x-api-key", "authorization", "x-device-id", "x-ticket"])
def test_a_credential_that_is_sent_twice_is_refused(name: str):
    with pytest.raises(RequestInvalid, match=name):
        credentials_of([(name, "a"), (name, "a")])


def test_binary_metadata_and_others_that_are_sent_twice_do_not_count():
    pairs: list[tuple[str, str | bytes]] = [("trace-bin", b"\0"), ("trace", "a"), ("trace", "b"), ("x-api-key", "key")]
    assert credentials_of(pairs) == Credentials("key", "", "", "")
