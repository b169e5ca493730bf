"""The one place where the bridge is put together: channel, dialects, limits, socket, and their end in reverse."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

import structlog
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from syncline_bridge.describe.openapi import DocumentedApp
from syncline_bridge.dialects.checkpoint_sync import checkpoint_sync
from syncline_bridge.dialects.checkpoint_sync.routes import PATHS, STREAM_PATH
from syncline_bridge.dialects.dialect import Dialect
from syncline_bridge.dialects.mutation_sync import Limits, mutation_sync
from syncline_bridge.edge.access import Access
from syncline_bridge.edge.admission import Admission
from syncline_bridge.edge.body import BodyLimits
from syncline_bridge.edge.event_stream import EventStreams
from syncline_bridge.edge.listener import listening
from syncline_bridge.edge.probes import LIVENESS_PATH, READINESS_PATH, probes
from syncline_bridge.failure import MALFORMED
from syncline_bridge.routing import FailureAnswers, answer_failures
from syncline_bridge.settings import BridgeSettings
from syncline_bridge.upstream import Upstream, open_upstream

_PROBE_PATHS = (LIVENESS_PATH, READINESS_PATH)
_STREAM_PATHS = tuple(path + STREAM_PATH for path in PATHS)  # bounded by a limit of their own


async def run(settings: BridgeSettings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in progress."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    log = structlog.get_logger(__name__)
    async with serving(settings) as address:
        log.info("bridge started", http_address=address, grpc_target=settings.grpc_target, version=version("syncline"))
        await stop.wait()
        log.info("bridge stopping", grace_seconds=settings.shutdown_grace_seconds)
    log.info("bridge stopped")


@asynccontextmanager
async def serving(settings: BridgeSettings) -> AsyncIterator[str]:
    """Serve in this event loop for as long as the context lasts; yields HOST:PORT as bound.

    Raises OSError when the address cannot be had. The server need not be there yet.
    """
    async with open_upstream(
        settings.grpc_target,
        settings.push_deadline_seconds,
        settings.pull_deadline_seconds,
        settings.ready_deadline_seconds,
    ) as upstream:
        streams = EventStreams(settings.limit_streams, settings.slow_client_seconds)
        answers = FailureAnswers(
            (checkpoint_sync(upstream, streams), mutation_sync(upstream, _mutation_limits(settings)))
        )
        async with listening(
            build(settings, upstream, answers),
            bytes(answers("/", MALFORMED).body),
            settings.http_address,
            settings.keep_alive_seconds,
            settings.shutdown_grace_seconds,
        ) as address:
            try:
                yield address
            finally:
                streams.drain()


def build(settings: BridgeSettings, upstream: Upstream, answers: FailureAnswers) -> ASGIApp:
    """Build the application from the inside out."""
    app: ASGIApp = _routes(settings, upstream, answers)
    app = BodyLimits(
        app,
        answers,
        settings.max_body_bytes,
        settings.body_read_timeout_seconds,
        settings.body_min_bytes_per_second,
    )
    app = Admission(app, answers, settings.limit_concurrency, always_admitted_paths=_PROBE_PATHS + _STREAM_PATHS)
    if settings.cors_origins:
        app = _open_to(settings.cors_origins, answers.dialects, app)
    return Access(app, answers, quiet_paths=_PROBE_PATHS)


def _routes(settings: BridgeSettings, upstream: Upstream, answers: FailureAnswers) -> DocumentedApp:
    app = DocumentedApp(
        answers.dialects,
        title="Syncline",
        version=version("syncline"),
        openapi_url="/openapi.json" if settings.docs_enabled else None,
        redoc_url=None,
        redirect_slashes=False,  # a redirected POST loses its body in some clients
        telemetry={"tracing": False, "metrics": False, "logs": False},  # its spans would carry tokens in the query
    )
    answer_failures(app, answers)
    for router in (probes(upstream), *(dialect.router for dialect in answers.dialects)):
        app.include_router(router)
    return app


def _mutation_limits(settings: BridgeSettings) -> Limits:
    return Limits(
        default_page_size=min(settings.mutation_default_page_size, settings.mutation_max_page_size),
        max_page_size=settings.mutation_max_page_size,
        max_mutations=settings.mutation_max_batch_size,
    )


def _open_to(origins: Sequence[str], dialects: Sequence[Dialect], app: ASGIApp) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=sorted({name for dialect in dialects for name in dialect.request_headers}),
        expose_headers=sorted({name for dialect in dialects for name in dialect.response_headers}),
    )
