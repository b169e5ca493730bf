"""What is counted, for Prometheus."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

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

        self._of_store()
        self._of_ends()
        self._of_process()

    def _of_store(self) -> None:
        self.head_wait_seconds = Histogram(
            "syncline_head_wait_seconds",
            "How long groups of pushes waited for the heads of their projects, which other processes may hold.",
            buckets=(0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
            registry=self.registry,
        )
        self.store_errors = Counter(
            "syncline_store_errors",
            "Calls that the database failed, by the class of its SQLSTATE (`none`: it has none).",
            ["sqlstate_class"],
            registry=self.registry,
        )
        self.pool_connections = Gauge(
            "syncline_pool_connections",
            "Connections to the database beside the log's own, by pool and state: used, idle, most.",
            ["pool", "state"],
            registry=self.registry,
        )
        self.entities = Gauge(
            "syncline_entities",
            "Entities of a project by state: live, tombstone; counted every ten minutes, of 200 projects.",
            ["project", "state"],
            registry=self.registry,
        )
        self.stored_bytes = Gauge(
            "syncline_stored_bytes",
            "Bytes of data of a project, counted as entities are.",
            ["project"],
            registry=self.registry,
        )
        self.epoch_number = Gauge("syncline_epoch_number", "The epoch in force.", registry=self.registry)
        self.last_backup = Gauge(
            "syncline_last_backup_timestamp",
            "When `syncline backup` last made a copy, seconds since the Unix epoch; 0: never.",
            registry=self.registry,
        )
        self.wal_bytes = Gauge(
            "syncline_wal_bytes", "Size of SQLite's write-ahead log; 0 with PostgreSQL.", registry=self.registry
        )
        self.notifications_connected = Gauge(
            "syncline_notifications_connected",
            "Whether other processes' commits are heard of; 1 with SQLite, where there are none.",
            registry=self.registry,
        )
        self.notifications_connected.set(1)

    def _of_ends(self) -> None:
        self.checkpoint_rejected = Counter(
            "syncline_checkpoint_rejected",
            "Calls whose checkpoint token was refused, by reason: expired, invalid.",
            ["reason"],
            registry=self.registry,
        )
        self.streams_ended = Counter(
            "syncline_streams_ended",
            "Streams that have ended, by reason: OK, CANCELLED, or a reason of the contract.",
            ["reason"],
            registry=self.registry,
        )
        self.rate_limited = Counter(
            "syncline_rate_limited", "Calls that were over a limit of their user or project.", registry=self.registry
        )
        self.session_lag_seconds = Histogram(
            "syncline_session_lag_seconds",
            "At each pull that brought changes, the age of the oldest: how far behind readers are.",
            buckets=(0.1, 1, 10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400),
            registry=self.registry,
        )

    def _of_process(self) -> None:
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.build_info = Gauge("syncline_build_info", "Always 1.", ["version"], registry=self.registry)
        self.ready = Gauge("syncline_ready", "Whether calls should come to this process.", registry=self.registry)

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
