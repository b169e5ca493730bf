"""What a server says of its own health: its clock, its feed, its database, and whether that can be written."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from syncline_server.rpc.metrics import Metrics
from syncline_server.sync.errors import StoreUnavailable

_MOST_LAG_SECONDS: Final = 10.0
_FRESH_SECONDS: Final = 5.0
"""What was written so lately shows that more can be."""
_PATIENCE_SECONDS: Final = 1.0
"""How long who asks waits for an attempt to write."""
_STUCK_SECONDS: Final = 10.0
"""An attempt that takes so long has failed: pushes take their turn in less."""

_MOST_LEAP_MS: Final = 60_000
"""A clock that is set by less is being kept right."""
_PASSING_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""It goes on while a machine sleeps, where there is one that does."""

_log = structlog.get_logger()


class HealthReport:
    """Gathers what the parts of a server notice; readiness and health details are read from it."""

    def __init__(self, metrics: Metrics) -> None:
        """Show it in `metrics` too."""
        self._clock_behind = metrics.clock_behind_ms
        self._feed_lag = metrics.feed_lag_seconds
        self._behind_ms = 0
        self._clock_watch = _ClockWatch()
        self._leapt_ms = 0
        self._lags: list[Callable[[], float]] = []
        self._writes = _Writes(_written_elsewhere)

    def watch(self, lag_seconds: Callable[[], float]) -> None:
        """Look at this lag, too, when health is asked for."""
        self._lags.append(lag_seconds)
        self._feed_lag.set_function(self._lag_seconds)

    def report_clock_lag(self, behind_ms: int) -> None:
        """Report how many ms the store's clock is behind the log (L2); 0: it is not."""
        if behind_ms and not self._behind_ms:
            _log.warning("the clock was set back; revisions go on from the head", behind_ms=behind_ms)
        elif self._behind_ms and not behind_ms:
            _log.info("the clock has caught up with the log")
        if behind_ms != self._behind_ms:
            self._clock_behind.set(behind_ms)
            self._behind_ms = behind_ms

    def report_clock(self, clock_us: int) -> None:
        """Report the store's clock at a commit: one that leaps ahead takes the log along, and nothing takes it back."""
        leap_ms = self._clock_watch.leap_ms(clock_us)
        if leap_ms > _MOST_LEAP_MS:
            _log.error(
                "the clock leapt ahead of the time that passed, and takes the log along; if it is wrong, set it right",
                by_seconds=leap_ms // 1000,
            )
            self._leapt_ms += leap_ms
        elif leap_ms < -_MOST_LEAP_MS:
            self._leapt_ms = max(self._leapt_ms + leap_ms, 0)

    def is_ready(self) -> bool:
        """Tell whether pushes are taken, and readers get what is committed anywhere, within bounds."""
        return self._lag_seconds() <= _MOST_LAG_SECONDS and self._writes.succeed

    def watch_writes(self, check: Callable[[], Awaitable[None]]) -> None:
        """Find out with `check` whether anything can be written; it raises StoreUnavailable."""
        self._writes = _Writes(check)

    def report_commit(self) -> None:
        """Report that something has been written."""
        self._writes.report_success()

    async def look(self) -> None:
        """Find out what no part of the server has noticed lately."""
        await self._writes.look()

    def details(self) -> dict[str, str]:
        """Return the health details, as metadata."""
        return {
            "x-syncline-clock-behind-ms": str(self._behind_ms),
            "x-syncline-clock-leapt-ms": str(self._leapt_ms),
            "x-syncline-feed-lag-ms": str(int(self._lag_seconds() * 1000)),
            "x-syncline-writes": "ok" if self._writes.succeed else "failing",
        }

    def _lag_seconds(self) -> float:
        return max((lag() for lag in self._lags), default=0.0)


class _ClockWatch:
    """Holds a clock against the time that passes, which nobody sets."""

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None

    def leap_ms(self, clock_us: int) -> int:
        """Return by how much more the clock has moved since it was looked at last than time has passed."""
        now, last = (clock_us // 1000, _passed_ms()), self._last
        self._last = now
        return 0 if last is None else (now[0] - last[0]) - (now[1] - last[1])


class _Writes:
    """Whether writes succeed: by what is committed anyway, and else by an attempt whenever somebody asks."""

    def __init__(self, check: Callable[[], Awaitable[None]]) -> None:
        self.succeed = True
        self._check = check
        self._written_at = -_FRESH_SECONDS
        self._attempt: asyncio.Task[None] | None = None
        self._attempted_at = 0.0

    def report_success(self) -> None:
        self._written_at = time.monotonic()
        if not self.succeed:
            self.succeed = True
            _log.info("the database can be written again")

    async def look(self) -> None:
        if self._attempt is None and time.monotonic() - self._written_at < _FRESH_SECONDS:
            return
        if self._attempt is None:
            self._attempted_at = time.monotonic()
            self._attempt = asyncio.create_task(self._try(), name="write check")
        await asyncio.wait([self._attempt], timeout=_PATIENCE_SECONDS)
        if self._attempt is not None and time.monotonic() - self._attempted_at > _STUCK_SECONDS:
            self._report_failure("an attempt to write does not end")

    async def _try(self) -> None:
        try:
            await self._check()
        except StoreUnavailable as error:
            self._report_failure(repr(error.__cause__))
        else:
            self.report_success()
        finally:
            self._attempt = None

    def _report_failure(self, cause: str) -> None:
        if self.succeed:
            self.succeed = False
            _log.error("the database cannot be written; this server is not ready", cause=cause)


def _passed_ms() -> int:
    return time.clock_gettime_ns(_PASSING_CLOCK) // 1_000_000


async def _written_elsewhere() -> None:
    """Stand for a check where there is nothing to check."""
