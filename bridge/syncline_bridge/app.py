"""The one place where the bridge is put together: channel, dialects, limits, socket, and their end in reverse."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from starlette.types import ASGIApp

from syncline.certificates import certificates, client_tls
from syncline.channel_tls import channel_credentials
from syncline.descriptors import descriptors_left
from syncline.proxies import Proxies
from syncline.words import is_loopback, split_address
from syncline_bridge.describe.documents import OPENAPI_PATH, documents, documents_of
from syncline_bridge.describe.openapi import DocumentedApp
from syncline_bridge.describe.operation import Operation, handler_of, router_of
from syncline_bridge.dialect import Dialect
from syncline_bridge.dialects import DIALECTS
from syncline_bridge.edge.access import Access
from syncline_bridge.edge.admission import Admission
from syncline_bridge.edge.areas import Areas
from syncline_bridge.edge.bodies import Bodies, BodyLimits, BodyRoom
from syncline_bridge.edge.callers import Callers
from syncline_bridge.edge.clients import Clients, HeldRefusals
from syncline_bridge.edge.compression import CompressedAnswers, CompressedBodies, ReadyAnswers, send_plainly
from syncline_bridge.edge.connections import Crowd, protocol_of
from syncline_bridge.edge.credentials import KnownCallers
from syncline_bridge.edge.cross_origin import CrossOrigin
from syncline_bridge.edge.event_stream import EventStreams
from syncline_bridge.edge.failures import answer_failures, methods_of
from syncline_bridge.edge.heads import Heads
from syncline_bridge.edge.lean import Bounds, HotRoute, LeanEdge
from syncline_bridge.edge.listener import listening
from syncline_bridge.edge.metrics import NO_DIALECT, HttpMetrics, Routes, served_metrics
from syncline_bridge.edge.probes import LIVENESS_PATH, PROBES, READINESS_PATH, Health, probes
from syncline_bridge.edge.semantics import HeadRequests, OneHost
from syncline_bridge.edge.slashes import SlashAtTheEnd
from syncline_bridge.edge.tls import ServerTls
from syncline_bridge.failure import MALFORMED
from syncline_bridge.pages.routes import pages
from syncline_bridge.settings import OwnSettings
from syncline_bridge.upstream import Upstream, open_upstream

_RESERVED_DESCRIPTORS = 64
"""For the server's connections, log files and what Python opens by the way."""
_ABOUT = """
A sync server for apps that work offline: clients push what they changed and pull what others changed, from one gap-free
change log.

Whoever calls shows two things: the client key of a project, and a session token of a user, which the app's own backend
signs. Services show a server key in place of both. Each operation stands here once, its other paths beside it.

Errors have a `code` for programs and a `message` for people, which names the place and the limit. After 429 and 503,
wait as long as `Retry-After` says. After 502, 503, 504 and no answer at all, nobody knows whether a push was applied:
sent again under the same name, `push_id` or `Idempotency-Key`, it is applied once.
"""
_PROBE_PATHS = (LIVENESS_PATH, READINESS_PATH)


@dataclass(frozen=True, slots=True)
class ServedDialect:
    """A dialect, and what it serves."""

    dialect: Dialect[Any]
    operations: Sequence[Operation]


@asynccontextmanager
async def serving(settings: OwnSettings, dialects: Sequence[Dialect[Any]] = DIALECTS) -> AsyncIterator[str]:
    """Serve in this event loop for as long as the context lasts; yields HOST:PORT as bound.

    `settings` are also those of each dialect. Raises OSError when the address cannot be had, and CertificateInvalid.
    The server need not be there yet.
    """
    own = certificates(settings.tls_certificate, settings.tls_key, settings.tls_client_ca, "tls")
    server = client_tls(settings.grpc_tls_ca, settings.grpc_tls_certificate, settings.grpc_tls_key, "grpc_tls")
    async with open_upstream(
        settings.grpc_target,
        channel_credentials(server) if server is not None else None,
        settings.relay_streams,
        settings.relay_socket,
        settings.push_deadline_seconds,
        settings.pull_deadline_seconds,
        settings.ready_deadline_seconds,
    ) as upstream:
        streams = EventStreams(settings.limit_streams, settings.slow_client_seconds)
        served = [ServedDialect(dialect, dialect.operations(upstream, streams, settings)) for dialect in dialects]
        metrics = _metrics(settings, streams, served)
        areas = Areas(
            (each.dialect.area(each.operations) for each in served),
            on_failure=metrics.refused if metrics is not None else lambda _: None,
        )
        with served_metrics(metrics, settings.http_metrics_address):
            async with listening(
                build(settings, upstream, areas, served, metrics),
                protocol_of(_crowd(settings), bytes(areas.answer_failure("", MALFORMED).body)),
                settings.http_address,
                ServerTls(own) if own is not None else None,
                settings.keep_alive_seconds,
                settings.shutdown_grace_seconds,
            ) as address:
                try:
                    yield address
                finally:
                    streams.drain()


def build(
    settings: OwnSettings,
    upstream: Upstream,
    areas: Areas,
    dialects: Sequence[ServedDialect],
    metrics: HttpMetrics | None = None,
) -> ASGIApp:
    """Build the application from the inside out."""
    app: ASGIApp = documented(settings, upstream, areas, dialects)
    if settings.compress_answers:
        app = CompressedAnswers(app, _stream_paths(dialects))
    heads = _heads(settings, dialects)
    app = CompressedBodies(app, areas.answer_failure, heads)
    uncounted_paths = (*_PROBE_PATHS, *_stream_paths(dialects))
    app = admission = Admission(app, areas.answer_failure, settings.limit_concurrency, uncounted_paths)
    limits = BodyLimits(settings.body_read_timeout_seconds, settings.body_min_bytes_per_second)
    clients = Clients(Proxies(settings.trusted_proxies))
    callers, room = Callers(upstream.check_caller, clients), BodyRoom(settings.limit_body_bytes)
    app = Bodies(app, areas.answer_failure, heads, callers, limits, room)
    app = SlashAtTheEnd(OneHost(HeadRequests(app), areas.answer_failure))
    with_loopback = is_loopback(split_address(settings.http_address)[0])
    app = CrossOrigin(app, settings.cors_origins, areas, with_loopback=with_loopback)
    send_answer = ReadyAnswers().send if settings.compress_answers else send_plainly
    app = LeanEdge(
        app, _hot_routes(settings, callers, dialects), Bounds(admission, room), areas.answer_failure, send_answer
    )
    app = HeldRefusals(app, clients, settings.failure_delay_seconds)
    return Access(app, areas.answer_failure, clients, metrics, _PROBE_PATHS, settings.log_sample)


def documented(
    settings: OwnSettings, upstream: Upstream, areas: Areas, dialects: Sequence[ServedDialect]
) -> DocumentedApp:
    """Build what routes requests and describes itself."""
    names = [each.dialect.name for each in dialects] if settings.docs_enabled else []
    app = DocumentedApp(
        [Health, *(model for each in dialects for model in each.dialect.models)],
        {name: scheme for each in dialects for name, scheme in each.dialect.security_schemes.items()},
        title="Syncline",
        version=version("syncline"),
        description=_ABOUT,
        openapi_tags=[{"name": each.dialect.name, "description": each.dialect.about} for each in dialects]
        + [{"name": PROBES, "description": "For whoever watches over this server."}],
        openapi_url=OPENAPI_PATH if settings.docs_enabled else None,
        docs_url=None,  # FastAPI's own page loads its program from a host elsewhere
        redoc_url=None,
        redirect_slashes=False,  # edge.slashes serves both spellings
        telemetry={"tracing": False, "metrics": False, "logs": False},  # its spans would carry tokens in the query
    )
    routers = (
        pages(version("syncline"), documents(names) if settings.docs_enabled else {}, has_demo=settings.demo_enabled),
        documents_of(app, names),
        *(router_of(each.dialect.name, each.operations, each.dialect.security_schemes) for each in dialects),
        probes(upstream),
    )
    for router in routers:
        app.include_router(router)
    answer_failures(app, areas, methods_of(routers))
    return app


def _metrics(settings: OwnSettings, streams: EventStreams, dialects: Sequence[ServedDialect]) -> HttpMetrics | None:
    if settings.http_metrics_address is None:
        return None
    of_dialects = [(each.dialect.name, path) for each in dialects for one in each.operations for path in one.paths]
    probes_ = [(NO_DIALECT, path) for path in _PROBE_PATHS]
    return HttpMetrics(Routes([*of_dialects, *probes_]), lambda: streams.open, version("syncline"))


def _heads(settings: OwnSettings, dialects: Sequence[ServedDialect]) -> Heads:
    heads = Heads()
    for each in dialects:
        heads.expect(each.operations, each.dialect.credentials, _max_body_bytes(settings, each.dialect))
    return heads


def _hot_routes(
    settings: OwnSettings, callers: Callers, dialects: Sequence[ServedDialect]
) -> dict[tuple[str, str], HotRoute]:
    routes: dict[tuple[str, str], HotRoute] = {}
    for each in dialects:
        known = KnownCallers(each.dialect.credentials, callers)
        for one in each.operations:
            if one.is_hot:
                handler = handler_of(one, each.dialect.security_schemes)
                most = _max_body_bytes(settings, each.dialect) if one.body is not None else 0
                route = HotRoute(handler, known, most)
                routes.update(dict.fromkeys(((one.method, path) for path in one.paths), route))
    return routes


def _max_body_bytes(settings: OwnSettings, dialect: Dialect[Any]) -> int:
    return settings.max_body_bytes if dialect.max_body_bytes is None else dialect.max_body_bytes(settings)


def _crowd(settings: OwnSettings) -> Crowd:
    most = min(settings.limit_connections, descriptors_left(_RESERVED_DESCRIPTORS))
    return Crowd(most, settings.slow_client_seconds, Proxies(settings.trusted_proxies))


def _stream_paths(dialects: Sequence[ServedDialect]) -> list[str]:
    """Return the paths that a limit of their own bounds."""
    return [path for each in dialects for one in each.operations if one.is_stream for path in one.paths]
