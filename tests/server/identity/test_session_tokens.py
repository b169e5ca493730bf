"""Session tokens as they are issued and read."""

import time

import pytest

from syncline_server.identity.session_tokens import issue_token, read_session_token
from syncline_server.identity.signatures import signed
from syncline_server.sync.errors import RequestInvalid, SessionExpired, SessionInvalid, TypeForbidden

NEW, OLD = "n" * 64, "o" * 64


def test_what_is_issued_is_read():
    claims = read_session_token(issue_token(NEW, "ada", ttl_seconds=60, device_id="phone", scope="sync todo"), (NEW,))
    assert (claims.user_id, claims.device, claims.scopes.claim) == ("ada", "phone", "sync todo")
    assert 55 < claims.expires_at - time.time() <= 60


@pytest.mark.parametrize("secret", [NEW, OLD])
def test_a_token_of_any_of_the_secrets_is_read(secret: str):
    assert read_session_token(issue_token(secret, "ada", ttl_seconds=60), (NEW, OLD)).user_id == "ada"


@pytest.mark.parametrize("secrets", [(), (OLD,)])
def test_a_token_of_no_known_secret_is_not(secrets: tuple[str, ...]):
    with pytest.raises(SessionInvalid):
        read_session_token(issue_token(NEW, "ada", ttl_seconds=60), secrets)


def test_an_expired_token_of_the_second_secret_is_expired():
    with pytest.raises(SessionExpired):
        read_session_token(issue_token(OLD, "ada", ttl_seconds=-1), (NEW, OLD))


def test_a_session_whose_scopes_leave_sync_out_is_refused():
    with pytest.raises(TypeForbidden):
        read_session_token(issue_token(NEW, "ada", ttl_seconds=60, scope="todo"), (NEW,))


@pytest.mark.parametrize(("user", "device"), [("", None), ("a\n", None), ("x" * 129, None), ("ada", ""), ("ada", "\0")])
def test_no_token_is_issued_for_a_malformed_id(user: str, device: str | None):
    with pytest.raises(RequestInvalid):
        issue_token(NEW, user, ttl_seconds=60, device_id=device)


@pytest.mark.parametrize(
    ("claims", "named"),
    [({"sub": "a\n"}, "sub"), ({"device_id": "\0"}, "device_id"), ({"sid": 7}, "sid"), ({"scope": 7}, "scope")],
)
def test_a_claim_that_is_malformed_is_named(claims: dict[str, object], named: str):
    text = signed({"sub": "ada", "exp": int(time.time()) + 60, **claims}, NEW)
    with pytest.raises(SessionInvalid, match=named):
        read_session_token(text, (NEW,))
