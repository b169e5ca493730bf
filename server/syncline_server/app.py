"""The one composition root: opens everything a server is made of and closes it in reverse."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog
from prometheus_client import start_http_server

from syncline_server.rpc.auth import Authenticator
from syncline_server.rpc.limits import CallLimiter
from syncline_server.rpc.metrics import Metrics
from syncline_server.rpc.server import HealthService, ServerOptions, serving
from syncline_server.rpc.service import SyncService
from syncline_server.rpc.validation import RequestLimits, Validator
from syncline_server.settings import ServerSettings
from syncline_server.store import schema, sqlite
from syncline_server.store.engine import Engines, database, open_engines
from syncline_server.store.registry import SqlRegistry
from syncline_server.store.store import open_store
from syncline_server.sync.checkpoint import CheckpointCodec
from syncline_server.sync.feed import Feed
from syncline_server.sync.pull import PageSize, Puller
from syncline_server.sync.push import Committed, Pusher
from syncline_server.sync.resolve import Limits
from syncline_server.sync.store import Store

_STREAM_CHANGES = 1000
_STREAM_BYTES = 1024 * 1024

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that accepts calls."""

    grpc_address: str
    registry: SqlRegistry


class ClockWatch:
    """Says when the store's clock falls behind the log, and when it has caught up (L2)."""

    def __init__(self, metrics: Metrics) -> None:
        """Show it in `metrics` too."""
        self._gauge = metrics.clock_behind_ms
        self.behind_ms = 0

    def report(self, behind_ms: int) -> None:
        """Take in how many milliseconds the clock is behind; 0: it is not."""
        if behind_ms and not self.behind_ms:
            _log.warning("the clock was set back; revisions go on from the head", behind_ms=behind_ms)
        elif self.behind_ms and not behind_ms:
            _log.info("the clock has caught up with the log")
        if behind_ms != self.behind_ms:
            self._gauge.set(behind_ms)
            self.behind_ms = behind_ms

    def details(self) -> dict[str, str]:
        """Return the health details."""
        return {"x-syncline-clock-behind-ms": str(self.behind_ms)}


@asynccontextmanager
async def opened_engines(settings: ServerSettings) -> AsyncIterator[Engines]:
    """Open the database that the settings name, for the time of the block. Raises DatabaseUrlInvalid."""
    where = database(settings.database, settings.data_dir)
    if where.is_sqlite:
        where.sqlite_path.parent.mkdir(parents=True, exist_ok=True)
    engines = open_engines(where)
    try:
        yield engines
    finally:
        await engines.close()


async def prepare_schema(engines: Engines) -> None:
    """Migrate an embedded database that is behind; refuse any other. Raises SchemaNotCurrent."""
    try:
        await schema.check_current(engines)
    except schema.SchemaNotCurrent as error:
        if not engines.database.is_sqlite or error.newer:
            raise
        with sqlite.checkpoint_excluded(engines.database.sqlite_path):
            await schema.migrate(engines)


@asynccontextmanager
async def running_server(
    settings: ServerSettings, clock_us: Callable[[], int] | None = None
) -> AsyncIterator[RunningServer]:
    """Run a server for the time of the block; `clock_us` takes the place of the store's clock, in tests.

    Raises DatabaseUrlInvalid, DatabaseInUse, SchemaNotCurrent, StoreUnavailable and AddressInUse.
    """
    async with AsyncExitStack() as stack:
        engines = await stack.enter_async_context(opened_engines(settings))
        if engines.database.is_sqlite:
            stack.enter_context(sqlite.owned(engines.database.sqlite_path))
        await prepare_schema(engines)
        registry = SqlRegistry(engines)
        metrics = Metrics()
        clock = ClockWatch(metrics)
        checkpoints = await schema.open_checkpoints(engines)
        service, feed = _service(stack, settings, open_store(engines, clock_us), registry, checkpoints, metrics, clock)
        if settings.metrics_address:
            _serve_metrics(stack, settings.metrics_address, metrics)
        health = HealthService(clock.details)
        port = await stack.enter_async_context(
            serving(service, metrics, health, _options(settings), on_drain=feed.drain)
        )
        host = settings.grpc_address.rpartition(":")[0]
        _log.info(
            "serving gRPC", address=f"{host}:{port}", database=str(engines.database), sqlite=sqlite3.sqlite_version
        )
        yield RunningServer(f"{host}:{port}", registry)


def _service(
    stack: AsyncExitStack,
    settings: ServerSettings,
    store: Store,
    registry: SqlRegistry,
    checkpoints: CheckpointCodec,
    metrics: Metrics,
    clock: ClockWatch,
) -> tuple[SyncService, Feed]:
    def committed(commit: Committed) -> None:
        metrics.commits.inc()
        feed.committed(commit)

    limits = Limits(max_data_bytes=settings.max_data_bytes, max_answer_bytes=settings.max_answer_bytes)
    pusher = Pusher(store, limits=limits, on_commit=committed, on_clock_behind=clock.report)
    stack.push_async_callback(pusher.close)
    puller = Puller(store, pusher, checkpoints)
    batch_size = PageSize(_STREAM_CHANGES, _STREAM_BYTES)
    feed = Feed(puller, batch_size=batch_size, heartbeat_seconds=settings.heartbeat_seconds)
    service = SyncService(
        authenticator=Authenticator(registry),
        limiter=CallLimiter(settings.calls_per_minute),
        validator=Validator(RequestLimits(settings.max_push_changes, settings.max_data_bytes, settings.max_page_bytes)),
        checkpoints=checkpoints,
        pusher=pusher,
        puller=puller,
        feed=feed,
        metrics=metrics,
        slow_reader_seconds=settings.slow_reader_seconds,
    )
    return service, feed


def _options(settings: ServerSettings) -> ServerOptions:
    return ServerOptions(
        address=settings.grpc_address,
        max_message_bytes=settings.max_message_bytes,
        reuse_port=False,
        drain_seconds=settings.drain_seconds,
    )


def _serve_metrics(stack: AsyncExitStack, address: str, metrics: Metrics) -> None:
    host, _, port = address.rpartition(":")
    server, thread = start_http_server(int(port), host, registry=metrics.registry)
    stack.callback(thread.join)
    stack.callback(server.shutdown)
