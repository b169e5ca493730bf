"""What monitoring sees of a server: gauges that are read when they are asked for, and what is counted now and then."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Final

from prometheus_client import start_http_server

from syncline import words
from syncline_server.health import HealthReport
from syncline_server.operate.census import Census, Sizes, keep_taking
from syncline_server.rpc.metrics import Metrics
from syncline_server.rpc.server import AddressInUse
from syncline_server.store.engine import Engines
from syncline_server.store.sqlite.engine import SqliteEngines

_US: Final = 1_000_000


@contextmanager
def eyes(address: str | None, engines: Engines, health: HealthReport, metrics: Metrics) -> Iterator[None]:
    """Serve metrics at HOST:PORT for the time of the block; None: nowhere. Raises AddressInUse."""
    metrics.build_info.labels(version("syncline")).set(1)
    metrics.ready.set_function(health.is_ready)
    _watch_pools(engines, metrics)
    if isinstance(engines, SqliteEngines):
        wal = f"{engines.path}-wal"
        metrics.wal_bytes.set_function(lambda: os.stat(wal).st_size if os.path.exists(wal) else 0)
    if address is None:
        yield
        return
    host, port = words.split_address(address)
    try:
        server, thread = start_http_server(port, host, registry=metrics.registry)
    except OSError:
        raise AddressInUse(address) from None
    counting = asyncio.create_task(keep_taking(engines, _Report(metrics)), name="census")
    try:
        yield
    finally:
        counting.cancel()
        server.shutdown()
        thread.join()
        server.server_close()


class _Report:
    """Shows what was counted; projects that are gone are shown no more."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __call__(self, census: Census) -> None:
        self._metrics.epoch_number.set(census.epoch_number)
        self._metrics.last_backup.set((census.last_backup_us or 0) / _US)
        if census.projects is not None:
            self._show(census.projects)

    def _show(self, projects: Sequence[tuple[str, Sizes]]) -> None:
        entities, stored_bytes = self._metrics.entities, self._metrics.stored_bytes
        entities.clear()
        stored_bytes.clear()
        for project, sizes in projects:
            entities.labels(project, "live").set(sizes.entities - sizes.tombstones)
            entities.labels(project, "tombstone").set(sizes.tombstones)
            stored_bytes.labels(project).set(sizes.size_bytes)


def _watch_pools(engines: Engines, metrics: Metrics) -> None:
    for name, engine in (("writing", engines.writing), ("reading", engines.reading)):
        pool: Any = engine.sync_engine.pool
        gauge = metrics.pool_connections
        gauge.labels(name, "used").set_function(pool.checkedout)
        gauge.labels(name, "idle").set_function(pool.checkedin)
        gauge.labels(name, "most").set_function(pool.size)
