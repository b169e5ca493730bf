"""What a server says of its own health: its clock, its feed, its database."""

from collections.abc import Callable
from typing import Final

import structlog

from syncline_server.rpc.metrics import Metrics

_MOST_LAG_SECONDS: Final = 10.0

_log = structlog.get_logger()


class HealthReport:
    """Gathers what the parts of a server notice; readiness and health details are read from it."""

    def __init__(self, metrics: Metrics) -> None:
        """Show it in `metrics` too."""
        self._clock_behind = metrics.clock_behind_ms
        self._feed_lag = metrics.feed_lag_seconds
        self._behind_ms = 0
        self._lags: list[Callable[[], float]] = []

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

    def is_ready(self) -> bool:
        """Tell whether readers here get what is committed anywhere, within bounds."""
        return self._lag_seconds() <= _MOST_LAG_SECONDS

    def details(self) -> dict[str, str]:
        """Return the health details, as metadata."""
        return {
            "x-syncline-clock-behind-ms": str(self._behind_ms),
            "x-syncline-feed-lag-ms": str(int(self._lag_seconds() * 1000)),
        }

    def _lag_seconds(self) -> float:
        return max((lag() for lag in self._lags), default=0.0)
