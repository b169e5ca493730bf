"""How many calls a user, or a server key's project, may make in a minute."""

import time
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from syncline_server.rpc.auth import Principal
from syncline_server.sync.errors import RateLimited

_WINDOW_SECONDS: Final = 60


class CallLimiter:
    """Counts calls over a sliding minute, in this process."""

    def __init__(self, calls_per_minute: int) -> None:
        """Allow so many calls a minute and user; 0: any number."""
        self._calls_per_minute = calls_per_minute
        self._limit = RateLimitItemPerMinute(max(calls_per_minute, 1))
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def check(self, principal: Principal) -> None:
        """Count a call; raises RateLimited."""
        if not self._calls_per_minute:
            return
        scope = "project" if principal.user_id is None else "user"
        identity = (str(principal.project_id), principal.user_id or "")
        if self._limiter.hit(self._limit, *identity):
            return
        reset_at = self._limiter.get_window_stats(self._limit, *identity).reset_time
        raise RateLimited(
            scope=scope,
            window_seconds=_WINDOW_SECONDS,
            maximum=self._calls_per_minute,
            retry_after_seconds=max(1.0, reset_at - time.time()),
        )
