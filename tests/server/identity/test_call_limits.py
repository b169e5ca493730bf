"""How many calls a user may make in a minute."""

import pytest

from syncline_server.identity.call_limits import CallLimiter
from syncline_server.identity.principal import Principal
from syncline_server.identity.projects import KeyKind
from syncline_server.identity.scopes import Scopes
from syncline_server.sync.errors import RateLimited

MOST = 60


def caller(user: str | None = "ada", project: int = 1) -> Principal:
    return Principal(project, KeyKind.SERVER, user, "", False, Scopes(None), None)


class Clock:
    now = 1_000 * 60.0

    def __call__(self) -> float:
        return self.now


def test_each_user_and_each_project_has_calls_of_its_own():
    limiter = CallLimiter(MOST, now=Clock())
    for one in (caller(), caller("eve"), caller(None), caller(project=2)):
        for _ in range(MOST):
            limiter.check(one)
    for one, scope in ((caller(), "user"), (caller(None), "project")):
        with pytest.raises(RateLimited) as refused:
            limiter.check(one)
        assert refused.value.details["scope"] == scope


def test_a_refused_call_is_let_in_once_the_time_it_was_told_has_passed():
    clock = Clock()
    limiter = CallLimiter(MOST, now=clock)
    for _ in range(MOST):
        limiter.check(caller())
    with pytest.raises(RateLimited) as refused:
        limiter.check(caller())
    clock.now += refused.value.retry_after_seconds - 0.5
    with pytest.raises(RateLimited):
        limiter.check(caller())
    clock.now += 0.6
    limiter.check(caller())


def test_the_minute_slides():
    clock = Clock()
    limiter = CallLimiter(MOST, now=clock)
    for _ in range(MOST):
        limiter.check(caller())
    clock.now += 90
    for _ in range(MOST // 2):
        limiter.check(caller())
    with pytest.raises(RateLimited):
        limiter.check(caller())


def test_without_a_limit_nobody_is_refused():
    limiter = CallLimiter(0, now=Clock())
    for _ in range(1000):
        limiter.check(caller())


def test_the_changes_of_a_push_count_and_what_is_over_the_limit_is_owed():
    clock = Clock()
    limiter = CallLimiter(MOST, now=clock)
    limiter.check(caller())
    limiter.count_push(caller(), 2 * MOST, 0)  # let in whole
    with pytest.raises(RateLimited) as refused:
        limiter.check(caller())
    assert refused.value.retry_after_seconds > 60
    clock.now += refused.value.retry_after_seconds + 0.1
    limiter.check(caller())
    limiter.check(caller("eve"))


def test_the_bytes_of_pushes_have_a_limit_of_their_own():
    limiter = CallLimiter(0, 1000, now=Clock())
    limiter.check(caller())
    limiter.count_push(caller(), 1, 1001)
    with pytest.raises(RateLimited) as refused:
        limiter.check(caller())
    assert (refused.value.details["max"], refused.value.details["unit"]) == (1000, "bytes of pushes")
