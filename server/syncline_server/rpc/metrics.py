"""What is counted, for Prometheus."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LAST_COMMITS: Final = 1000


class Metrics:
    """The server's metrics, in a registry of their own. Labels never carry users, keys or tokens."""

    def __init__(self) -> None:
        """Register every metric."""
        self.registry = CollectorRegistry()
        self.calls = Counter(
            "syncline_calls", "Calls by method and gRPC code.", ["method", "code"], registry=self.registry
        )
        self.call_seconds = Histogram(
            "syncline_call_seconds",
            "Duration of unary calls.",
            ["method"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self.changes = Counter(
            "syncline_pushed_changes",
            "Pushed changes by outcome: applied, replayed, conflict.",
            ["outcome"],
            registry=self.registry,
        )
        self.again = Counter(
            "syncline_changes_again",
            "Changes that readers were given again, as nothing shows that they have them: see P10 of docs/rules.md.",
            registry=self.registry,
        )
        self.streams = Gauge("syncline_streams", "Streams that are open.", registry=self.registry)
        self.commits = Counter("syncline_commits", "Groups of pushes that were committed.", registry=self.registry)
        self.commit_seconds = Histogram(
            "syncline_commit_seconds",
            "Duration of the transactions of groups of pushes, committed or not.",
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self.commit_pushes = Histogram(
            "syncline_commit_pushes",
            "How many pushes and positions of readers were applied in one transaction.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
            registry=self.registry,
        )
        self._last_commit_seconds: deque[float] = deque(maxlen=_LAST_COMMITS)
        self.waiting_pushes = Gauge(
            "syncline_waiting_pushes",
            "Pushes, and positions of readers, that wait for the database.",
            registry=self.registry,
        )
        self.waiting_bytes = Gauge("syncline_waiting_bytes", "Memory that they take.", registry=self.registry)
        self.overloaded = Counter(
            "syncline_overloaded", "Pushes that were refused since too many waited.", registry=self.registry
        )
        self.clock_behind_ms = Gauge(
            "syncline_clock_behind_ms",
            "How far the store's clock is behind the log; over 0 means that it was set back.",
            registry=self.registry,
        )
        self.feed_lag_seconds = Gauge(
            "syncline_feed_lag_seconds",
            "For how long there has been something that this process's readers do not have yet.",
            registry=self.registry,
        )

    def count_group(self, seconds: float, pushes: int) -> None:
        """Count a group of pushes."""
        self.commit_seconds.observe(seconds)
        self.commit_pushes.observe(pushes)
        self._last_commit_seconds.append(seconds)

    def last_commit_seconds(self) -> Sequence[float]:
        """Return how long the last thousand groups took."""
        return tuple(self._last_commit_seconds)

    def open_streams(self) -> int:
        """Return how many streams are open."""
        return int(self.streams._value.get())
