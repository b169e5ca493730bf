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


async def test_a_user_is_counted_once_for_many_pushes():
    source = Counted(100)
    quotas = Quotas(source, max_bytes=1000, max_types=0)
    for _ in range(9):
        await quotas.check(caller(), 100)
    with pytest.raises(RateLimited) as refused:
        await quotas.check(caller(), 100)
    assert (source.asked, refused.value.details["max"]) == (1, 1000)


async def test_too_many_types_are_named():
    with pytest.raises(RateLimited, match="More than 5 entity types kept"):
        await Quotas(Counted(1, types=6), max_bytes=0, max_types=5).check(caller(), 1)


async def test_without_a_limit_nothing_is_counted():
    source = Counted(10**12)
    await Quotas(source, 0, 0).check(caller(), 10**12)
    assert source.asked == 0
