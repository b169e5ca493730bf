"""Session tokens, and when they are asked for."""

import asyncio
from itertools import count

import pytest

from syncline_client.credentials import Credentials, SessionToken
from waiting import turn


def numbered() -> SessionToken:
    numbers = count(1)

    async def fresh() -> str:
        await turn()
        return f"token-{next(numbers)}"

    return fresh


async def test_a_server_key_goes_without_a_token():
    credentials = Credentials("key", None, "phone")
    assert await credentials.metadata() == (("x-api-key", "key"), ("x-device-id", "phone"))
    assert not credentials.renews(await credentials.metadata())


@pytest.mark.parametrize(
    "source", ["token-1", lambda: "token-1", numbered()], ids=["text", "function", "async function"]
)
async def test_a_token_may_come_from_a_function(source: SessionToken):
    credentials = Credentials("key", source, None)
    assert await credentials.metadata() == (("x-api-key", "key"), ("authorization", "Bearer token-1"))


async def test_calls_at_once_ask_for_one_token():
    credentials = Credentials("key", numbered(), None)
    assert len(set(await asyncio.gather(*(credentials.metadata() for _ in range(5))))) == 1


async def test_a_token_that_has_expired_is_renewed_once_for_all_who_notice():
    credentials = Credentials("key", numbered(), None)
    expired = await credentials.metadata()
    assert credentials.renews(expired)
    fresh = await credentials.metadata()
    assert credentials.renews(expired)
    assert await credentials.metadata() == fresh == (("x-api-key", "key"), ("authorization", "Bearer token-2"))


async def test_a_token_given_as_text_cannot_be_renewed():
    credentials = Credentials("key", "token-1", None)
    assert not credentials.renews(await credentials.metadata())
