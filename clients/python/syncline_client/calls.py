"""How a push or a pull is tried again: with pauses, within a deadline for all of it."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from grpc import aio

from syncline.failed_call import failed_call
from syncline_client.clock import Clock
from syncline_client.credentials import Credentials
from syncline_client.errors import SessionExpired, SynclineError, Unavailable, error_of
from syncline_client.timing import Backoff, Timing

T = TypeVar("T")


class UnaryCaller:
    """Makes calls that have one answer."""

    def __init__(self, credentials: Credentials, timing: Timing, clock: Clock) -> None:
        """Wait as `timing` says; `clock` hears the server's time of each answer."""
        self._credentials = credentials
        self._timing = timing
        self._clock = clock

    async def call(self, method: "Callable[..., aio.UnaryUnaryCall[Any, T]]", request: Any) -> T:
        """Return the answer to a request that may be made again; raises SynclineError.

        A session token that has expired is renewed once.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._timing.total_seconds
        backoff = Backoff(self._timing)
        outcome_unknown = renewed = False
        while True:
            metadata = await self._credentials.metadata()
            seconds = min(self._timing.call_seconds, ends_at - loop.time())
            try:
                return await self._answer(method(request, metadata=metadata, timeout=seconds))
            except aio.AioRpcError as failed:
                error = error_of(failed_call(failed))
                error.outcome_unknown = outcome_unknown = outcome_unknown or isinstance(error, Unavailable)
                if isinstance(error, SessionExpired) and not renewed and self._credentials.renews(metadata):
                    renewed = True
                    continue
                pause = _pause(error, backoff)
                if pause is None or loop.time() + pause >= ends_at:
                    raise error from failed
            await asyncio.sleep(pause)

    async def _answer(self, call: "aio.UnaryUnaryCall[Any, T]") -> T:
        answer = await call
        self._clock.hear(await call.trailing_metadata())
        return answer


def _pause(error: SynclineError, backoff: Backoff) -> float | None:
    """Return how long to wait before the next attempt; None: there is none."""
    if not isinstance(error, Unavailable):
        return None
    return backoff.next_pause(error.retry_after_seconds)
