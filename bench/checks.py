"""That a load did what its figure says: the status of an answer alone does not tell."""

from collections.abc import Awaitable

from bench.driver import Driver
from bench.load import Done


class LostPushes(Exception):
    """The store does not hold what was pushed."""


class WrongAnswers(Exception):
    """The answers were not what was asked for."""


async def stored(load: Awaitable[Done], counter: Driver, changes: int) -> Done:
    """Await pushes of so many new entities each; raises LostPushes unless every one that was answered is stored."""
    before = await counter.count()
    done = await load
    new = await counter.count() - before
    if not done.calls * changes <= new <= done.started * changes:
        raise LostPushes(f"{new} entities are new after {done.calls} to {done.started} pushes of {changes}")
    return done


async def answered(load: Awaitable[Done], answer_bytes: int) -> Done:
    """Await calls; raises WrongAnswers unless the answers together are as long as they should be."""
    done = await load
    if done.received_bytes < done.calls * answer_bytes:
        raise WrongAnswers(f"{done.received_bytes} bytes in {done.calls} answers that should have {answer_bytes} each")
    return done
