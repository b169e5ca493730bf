"""Waiting for what happens elsewhere, a process, a peer or another task: until it is so, never for so long."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar

import pytest

T = TypeVar("T")

SOON_SECONDS = 60.0
"""Longer than anything takes that is waited for, on the slowest machine: it ends only a test that fails."""
_LOOK_SECONDS = 0.02


async def until(
    holds: Callable[[], object], *, within_seconds: float | None = SOON_SECONDS, look_seconds: float = _LOOK_SECONDS
) -> None:
    """Wait until `holds()` is true, or what it returns to await; raises TimeoutError when it never is.

    What `holds` raises goes on to the test: it says that there is nothing to wait for any more.
    """
    async with asyncio.timeout(within_seconds):
        while not (await found if isawaitable(found := holds()) else found):
            await asyncio.sleep(look_seconds)


async def retried(
    call: Callable[[], Awaitable[T]],
    *,
    despite: type[Exception] | tuple[type[Exception], ...],
    unless: Callable[[Exception], bool] = lambda _: False,
    within_seconds: float | None = SOON_SECONDS,
    look_seconds: float = _LOOK_SECONDS,
) -> T:
    """Call until there is an answer, in spite of some errors, but for those of them that `unless` is true of."""
    async with asyncio.timeout(within_seconds):
        while True:
            try:
                return await call()
            except despite as error:
                if unless(error):
                    raise
            await asyncio.sleep(look_seconds)


async def turn() -> None:
    """Let the tasks that were made begin."""
    await asyncio.sleep(0)


def next_call(patch: pytest.MonkeyPatch, owner: object, method: str) -> asyncio.Event:
    """Return what is set by the next call of a method; who waits for it goes on when the caller waits."""
    called, original = asyncio.Event(), getattr(owner, method)

    def call(*arguments: object, **named: object) -> object:
        called.set()
        return original(*arguments, **named)

    patch.setattr(owner, method, call)
    return called


def next_answer(patch: pytest.MonkeyPatch, owner: object, method: str) -> asyncio.Event:
    """Return what is set when an async method has its next result, before its caller has it."""
    answered, original = asyncio.Event(), getattr(owner, method)

    async def call(*arguments: object, **named: object) -> object:
        result = await original(*arguments, **named)
        answered.set()
        return result

    patch.setattr(owner, method, call)
    return answered


async def accepts_connections(address: str) -> bool:
    """Tell whether something accepts connections at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True
