"""What is counted of requests, for Prometheus. Labels never carry ids, users, keys or tokens: a route is a template."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from starlette.routing import compile_path

from syncline.words import split_address
from syncline_bridge.failure import Failure

NO_DIALECT: Final = "none"
OTHER: Final = "other"
"""The route of a path that nothing is served at."""


class Routes:
    """Finds the route of a path."""

    def __init__(self, served: Iterable[tuple[str, str]]) -> None:
        """`served` are dialects, each with a path of theirs, which may have parameters in braces."""
        self._exact: dict[str, tuple[str, str]] = {}
        self._templates: list[tuple[Callable[[str], object], tuple[str, str]]] = []
        for dialect, path in served:
            if "{" in path:
                self._templates.append((compile_path(path)[0].match, (dialect, path)))
            else:
                self._exact[path] = dialect, path

    def of(self, path: str) -> tuple[str, str]:
        """Return the dialect and the route of a path."""
        path = path.rstrip("/") or "/"
        found = self._exact.get(path)
        if found is not None:
            return found
        return next((route for match, route in self._templates if match(path)), (NO_DIALECT, OTHER))


class HttpMetrics:
    """The bridge's metrics, in a registry of their own."""

    def __init__(self, routes: Routes, open_streams: Callable[[], int], version: str) -> None:
        """Register every metric."""
        self.registry = CollectorRegistry()
        self._routes = routes
        self._requests = Counter(
            "syncline_http_requests",
            "Requests by dialect, route and status; streams count when they end.",
            ["dialect", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "syncline_http_request_seconds",
            "Duration of requests, to the last byte of their answer.",
            ["dialect", "route"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self.in_flight = Gauge("syncline_http_in_flight", "Requests that are not answered yet.", registry=self.registry)
        self._refused = Counter(
            "syncline_refused",
            "Requests that failed, by reason: of the contract, or of the bridge.",
            ["reason"],
            registry=self.registry,
        )
        streams = Gauge("syncline_event_streams", "Event streams that are open.", registry=self.registry)
        streams.set_function(open_streams)
        Gauge("syncline_build_info", "Always 1.", ["version"], registry=self.registry).labels(version).set(1)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def ended(self, path: str, status: int, seconds: float) -> None:
        """Count a request that has ended."""
        dialect, route = self._routes.of(path)
        self._requests.labels(dialect, route, status).inc()
        self._seconds.labels(dialect, route).observe(seconds)

    def refused(self, failure: Failure) -> None:
        """Count a failure."""
        self._refused.labels(failure.reason).inc()


@contextmanager
def served_metrics(metrics: HttpMetrics | None, address: str | None) -> Iterator[None]:
    """Serve metrics at HOST:PORT for the time of the block; None: nowhere. Raises OSError."""
    if metrics is None or address is None:
        yield
        return
    host, port = split_address(address)
    try:
        server, thread = start_http_server(port, host, registry=metrics.registry)
    except OSError as error:
        raise OSError(f"metrics at {address}: {error.strerror}") from None
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
