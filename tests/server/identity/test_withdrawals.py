"""One look for what was withdrawn is a look-up for many keys, whatever they keep open."""

import asyncio
from collections.abc import Collection

import pytest

from syncline_server.identity.principal import Principal
from syncline_server.identity.projects import KeyKind, Project, ProjectKey
from syncline_server.identity.scopes import Scopes
from syncline_server.identity.withdrawals import Withdrawals
from syncline_server.sync.errors import KeyInvalid, StoreUnavailable
from waiting import turn

KEYS = [
    ProjectKey(f"key{number}", Project(number, f"p{number}", ("s",), 0), KeyKind.CLIENT, b"") for number in range(250)
]


class Registry:
    """Knows the keys that are in force, and counts who asks."""

    def __init__(self) -> None:
        self.keys = {key.id: key for key in KEYS}
        self.asked: list[int] = []
        self.failing = False

    async def find_keys(self, key_ids: Collection[str]) -> dict[str, ProjectKey]:
        self.asked.append(len(key_ids))
        if self.failing:
            raise StoreUnavailable
        return {key_id: self.keys[key_id] for key_id in key_ids if key_id in self.keys}


def principal(key: ProjectKey) -> Principal:
    return Principal(key.project.id, key.kind, "ada", "device:phone", True, Scopes(None), None, key)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
async def calls(registry: Registry):
    """Withdrawals, and an open call of each key."""
    withdrawals = Withdrawals(registry)

    async def stay(key: ProjectKey) -> None:
        with withdrawals.watched(principal(key)):
            await asyncio.Event().wait()

    open_calls = [asyncio.create_task(stay(key)) for key in KEYS]
    await turn()
    yield withdrawals, open_calls
    for call in open_calls:
        call.cancel()
    await asyncio.gather(*open_calls, return_exceptions=True)


async def test_those_of_the_keys_that_are_gone_end(registry: Registry, calls):
    withdrawals, open_calls = calls
    del registry.keys["key7"], registry.keys["key207"]
    await withdrawals.look()
    ended, _ = await asyncio.wait(open_calls, return_when=asyncio.FIRST_COMPLETED)
    await turn()
    assert [at for at, call in enumerate(open_calls) if call.done()] == [7, 207]
    assert {type(call.exception()) for call in ended} == {KeyInvalid}
    assert registry.asked == [100, 100, 50]


async def test_while_the_store_is_away_nothing_ends(registry: Registry, calls):
    withdrawals, open_calls = calls
    registry.failing = True
    await withdrawals.look()
    await turn()
    assert not [call for call in open_calls if call.done()]


async def test_a_key_that_keeps_nothing_open_is_not_looked_for(registry: Registry, calls):
    withdrawals, open_calls = calls
    for call in open_calls[1:]:
        call.cancel()
    await asyncio.gather(*open_calls[1:], return_exceptions=True)
    await withdrawals.look()
    assert registry.asked == [1]
