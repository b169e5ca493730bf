"""How much of a user is kept: counted once in a while, and what was pushed since is added."""

import pytest

from server.identity.test_call_limits import caller
from syncline_server.identity.quotas import Quotas, Usage
from syncline_server.sync.errors import RateLimited


class Counted:
    """Counts how often it is asked."""

    def __init__(self, size_bytes: int, types: int = 1) -> None:
        self.usage = Usage(size_bytes, types)
        self.asked = 0

    async def usage_of(self, project_id: int, user_id: str) -> Usage:
        self.asked += 1
        return self.usage


async def check(quotas: Quotas, size_bytes: int) -> None:
    await quotas.look(caller(), size_bytes)
    quotas.check(caller(), size_bytes)


async def test_a_user_is_counted_once_for_many_pushes():
    source = Counted(100)
    quotas = Quotas(source, max_bytes=1000, max_types=0)
    for _ in range(9):
        await check(quotas, 100)
    with pytest.raises(RateLimited) as refused:
        await check(quotas, 100)
    assert (source.asked, refused.value.details["max"]) == (1, 1000)


async def test_too_many_types_are_named():
    with pytest.raises(RateLimited, match="More than 5 entity types kept"):
        await check(Quotas(Counted(1, types=6), max_bytes=0, max_types=5), 1)


async def test_without_a_limit_nothing_is_counted():
    source = Counted(10**12)
    await check(Quotas(source, 0, 0), 10**12)
    assert source.asked == 0


async def test_a_user_of_whom_nothing_is_known_has_to_be_counted_first():
    quotas = Quotas(Counted(100), max_bytes=1000, max_types=0)
    assert not quotas.knows(caller(), 100)
    await quotas.look(caller(), 100)
    assert quotas.knows(caller(), 100)
