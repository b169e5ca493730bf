"""The one composition root: opens everything a server is made of and closes it in reverse."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, NoReturn

import structlog

from syncline import words
from syncline.certificates import certificates
from syncline.descriptors import descriptors_left
from syncline.proxies import Proxies
from syncline.refusals import Refusals
from syncline_server.health import HealthReport
from syncline_server.identity.authenticator import Authenticator
from syncline_server.identity.call_limits import CallLimiter
from syncline_server.identity.devices import Devices
from syncline_server.identity.key_cache import KeyCache
from syncline_server.identity.key_use import KeyUse
from syncline_server.identity.quotas import Quotas
from syncline_server.identity.tickets import Tickets
from syncline_server.identity.withdrawals import Withdrawals
from syncline_server.operate.deletion import Deletions
from syncline_server.rpc.codec import LAYOUT
from syncline_server.rpc.connections import Connections
from syncline_server.rpc.incoming import Incoming
from syncline_server.rpc.metrics import Metrics
from syncline_server.rpc.peers import Peers, tell_of_refusals
from syncline_server.rpc.public import HealthService
from syncline_server.rpc.requests import RequestLimits, Requests
from syncline_server.rpc.server import LocalSockets, ServerOptions, serving
from syncline_server.rpc.service import SyncService
from syncline_server.settings import ServerSettings
from syncline_server.store import checkpoint_secrets, schema
from syncline_server.store.database import Database, database
from syncline_server.store.engine import Connections as DatabaseConnections
from syncline_server.store.engine import Engines
from syncline_server.store.opening import opened_engines, prepare_schema
from syncline_server.store.registry import SqlRegistry
from syncline_server.store.retention import keep_forgetting
from syncline_server.store.servers import keep_announcing
from syncline_server.store.usage import SqlUsage
from syncline_server.store.used_tickets import SqlUsedTickets
from syncline_server.store.wanted_schema import WANTED
from syncline_server.store.writability import check_writes
from syncline_server.sync.backlog import Backlog, BacklogLimits, Bound
from syncline_server.sync.checkpoint import CheckpointCodec
from syncline_server.sync.feed import Feed
from syncline_server.sync.pull import Puller
from syncline_server.sync.push import Pusher
from syncline_server.sync.reading import PageSize
from syncline_server.sync.resolve import PushLimits
from syncline_server.sync.store import Store
from syncline_server.wiring.administration import administration
from syncline_server.wiring.eyes import eyes

_STREAM_CHANGES = 1000
_STREAM_BYTES = 192 * 1024
"""A stuck reader holds three messages; see docs/performance.md."""
_NO_SOCKETS = LocalSockets()
_RESERVED_DESCRIPTORS = 160
"""For the database, the bridge, log files and what Python opens by the way."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that accepts calls."""

    grpc_address: str
    engines: Engines
    ended: "asyncio.Task[NoReturn]"
    """Ends with NoDatabaseFile when the server can serve no more: its database is no longer where it was."""
    admin_address: str | None
    """Where operators with keys are listened to; None: nowhere."""


@asynccontextmanager
async def running_server(
    settings: ServerSettings, clock_us: Callable[[], int] | None = None, sockets: LocalSockets = _NO_SOCKETS
) -> AsyncIterator[RunningServer]:
    """Run a server for the time of the block; `clock_us` takes the place of the store's clock, in tests.

    Raises DatabaseUrlInvalid, DatabaseInUse, SchemaNotCurrent, StoreUnavailable, AddressInUse and CertificateInvalid.
    """
    async with AsyncExitStack() as stack:
        engines = await stack.enter_async_context(opened_engines(_database(settings)))
        stack.enter_context(engines.owned())
        await prepare_schema(engines)
        await engines.watch_epochs(clock_us)
        metrics = Metrics()
        health = HealthReport(metrics)
        store = engines.open_store(LAYOUT, clock_us)
        backlog = _backlog(settings, metrics)
        checkpoints = await schema.open_checkpoints(engines)
        reading_keys = asyncio.create_task(checkpoint_secrets.keep_reading(engines, checkpoints), name="token keys")
        stack.push_async_callback(_cancel, reading_keys)
        rules = _Rules(
            stack,
            settings,
            store,
            checkpoints,
            health,
            backlog,
            metrics=metrics,
            is_shared=engines.is_shared,
        )
        rules.on_commit(lambda _: metrics.commits.inc())
        rules.on_commit(lambda _: health.report_commit())
        health.watch_writes(partial(check_writes, engines))
        _join_other_processes(stack, engines, rules, health, metrics)
        stack.push_async_callback(_cancel, asyncio.create_task(keep_forgetting(engines, clock_us), name="retention"))
        stack.push_async_callback(_cancel, asyncio.create_task(engines.backfill(), name="backfill"))
        deletions = Deletions(engines, rules.pusher)
        stack.push_async_callback(_cancel, asyncio.create_task(deletions.keep_deleting(), name="deletions"))
        registry = SqlRegistry(engines)
        options = _options(settings, sockets)
        connections = Connections(options.max_connections)
        withdrawals = Withdrawals(registry)
        stack.push_async_callback(_cancel, asyncio.create_task(withdrawals.keep_looking(), name="withdrawals"))
        key_use = KeyUse(registry)
        stack.push_async_callback(_cancel, asyncio.create_task(key_use.keep_noting(), name="key use"))
        requests = _requests(settings, rules)
        quotas = Quotas(
            SqlUsage(engines), settings.max_user_bytes, settings.max_user_types, settings.max_user_note_bytes
        )
        keys = KeyCache(registry, key_use.note)
        tickets = Tickets(keys, SqlUsedTickets(engines))
        service = _service(settings, rules, keys, tickets, metrics, requests, withdrawals, connections, quotas)
        operators = administration(settings, engines, health, metrics, backlog, rules.puller, rules.feed)
        admin_address = await stack.enter_async_context(operators)
        stack.enter_context(eyes(settings.metrics_address, engines, health, metrics))
        port = await stack.enter_async_context(
            serving(
                service,
                metrics,
                HealthService(health),
                Incoming(service.admit, backlog.has_room, requests.counted),
                connections,
                options,
                on_drain=service.drain,
            )
        )
        address = words.join_address(words.split_address(settings.grpc_address)[0], port)
        _log.info("serving gRPC", address=address, database=str(engines), sqlite=sqlite3.sqlite_version)
        if engines.is_shared:
            announcing = keep_announcing(engines, version("syncline"), WANTED, address)
            stack.push_async_callback(_cancel, asyncio.create_task(announcing, name="announcing"))
        ended = asyncio.create_task(engines.stays(), name="database stays")
        stack.push_async_callback(_cancel, ended)
        yield RunningServer(address, engines, ended, admin_address)


class _Rules:
    """The parts of sync/, put together."""

    def __init__(
        self,
        stack: AsyncExitStack,
        settings: ServerSettings,
        store: Store,
        checkpoints: CheckpointCodec,
        health: HealthReport,
        backlog: Backlog,
        *,
        metrics: Metrics,
        is_shared: bool,
    ) -> None:
        limits = PushLimits(max_data_bytes=settings.max_data_bytes, max_answer_bytes=settings.max_answer_bytes)
        self._listeners: list[Callable[[int], object]] = []
        self.checkpoints = checkpoints
        self.pusher = Pusher(
            store,
            limits=limits,
            on_commit=self._committed,
            on_clock_lag=health.report_clock_lag,
            on_clock=health.report_clock,
            backlog=backlog,
            on_group=metrics.count_group,
            on_lock=metrics.head_wait_seconds.observe,
        )
        self.store = store
        self.puller = Puller(store, self.pusher, metrics.again.inc)
        self.feed = Feed(
            store,
            self.puller,
            LAYOUT,
            piece_size=PageSize(_STREAM_CHANGES, _STREAM_BYTES),
            heartbeat_seconds=settings.heartbeat_seconds,
            poll_seconds=settings.poll_seconds if is_shared else None,
        )
        health.watch(self.feed.lag_seconds)
        self._listeners.append(self.feed.nudge)
        stack.push_async_callback(self.feed.close)
        stack.push_async_callback(self.pusher.close)

    def on_commit(self, listener: Callable[[int], object]) -> None:
        """Call somebody else, too, with the project of every commit."""
        self._listeners.append(listener)

    def _committed(self, project_id: int) -> None:
        for listener in self._listeners:
            listener(project_id)


def _backlog(settings: ServerSettings, metrics: Metrics) -> Backlog:
    limits = BacklogLimits(
        of_project=Bound(settings.max_project_waiting_pushes, settings.max_project_waiting_bytes),
        in_all=Bound(settings.max_waiting_pushes, settings.max_waiting_bytes),
    )
    backlog = Backlog(limits, on_refused=metrics.overloaded.inc)
    metrics.waiting_pushes.set_function(lambda: backlog.pushes)
    metrics.waiting_bytes.set_function(lambda: backlog.size_bytes)
    return backlog


def _join_other_processes(
    stack: AsyncExitStack, engines: Engines, rules: _Rules, health: HealthReport, metrics: Metrics
) -> None:
    """Tell the other processes on this database of commits, and hear of theirs, where there may be any."""
    notifications = engines.notifications(on_commit=rules.feed.nudge, on_reconnect=rules.feed.nudge_all)
    if notifications is None:
        return
    rules.on_commit(notifications.announce)
    health.watch(notifications.away_seconds)
    metrics.notifications_connected.set_function(lambda: not notifications.away_seconds())
    notifications.start()
    stack.push_async_callback(notifications.close)


def _requests(settings: ServerSettings, rules: _Rules) -> Requests:
    limits = RequestLimits(settings.max_push_changes, settings.max_data_bytes, settings.max_page_bytes)
    return Requests(rules.checkpoints, limits)


def _service(
    settings: ServerSettings,
    rules: _Rules,
    keys: KeyCache,
    tickets: Tickets,
    metrics: Metrics,
    requests: Requests,
    withdrawals: Withdrawals,
    connections: Connections,
    quotas: Quotas,
) -> SyncService:
    return SyncService(
        authenticator=Authenticator(keys, Devices(settings.devices_per_user)),
        tickets=tickets,
        limiter=CallLimiter(settings.calls_per_minute, settings.push_bytes_per_minute),
        quotas=quotas,
        requests=requests,
        pusher=rules.pusher,
        puller=rules.puller,
        store=rules.store,
        feed=rules.feed,
        metrics=metrics,
        refusals=Refusals(settings.failure_delay_seconds, tell_of_refusals),
        peers=Peers(Proxies(settings.trusted_proxies)),
        withdrawals=withdrawals,
        connections=connections,
        max_user_streams=settings.max_user_streams,
        slow_reader_seconds=settings.slow_reader_seconds,
    )


def _database(settings: ServerSettings) -> Database:
    connections = DatabaseConnections(settings.database_reading_connections, settings.database_writing_connections)
    return database(settings.database, settings.data_dir, connections)


def _options(settings: ServerSettings, sockets: LocalSockets) -> ServerOptions:
    return ServerOptions(
        address=settings.grpc_address,
        max_message_bytes=settings.max_message_bytes,
        reuse_port=settings.reuse_port,
        slow_reader_seconds=settings.slow_reader_seconds,
        drain_seconds=settings.drain_seconds,
        max_connections=min(settings.max_connections, descriptors_left(_RESERVED_DESCRIPTORS)),
        certificates=certificates(settings.tls_certificate, settings.tls_key, settings.tls_client_ca, "tls"),
        log_sample=settings.log_sample,
        sockets=sockets,
    )


async def _cancel(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.wait([task])
