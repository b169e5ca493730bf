"""Every knob of the bridge process: its own, and those of each dialect that it speaks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from syncline import words
from syncline.proxies import Proxies
from syncline_bridge.dialect import Dialect
from syncline_bridge.dialects import DIALECTS
from syncline_bridge.knobs import Knobs


class OwnSettings(Knobs):
    """Configure what no dialect decides."""

    http_address: str = "127.0.0.1:8080"
    """Where to listen for HTTP, HOST:PORT; port 0 takes a free one."""

    grpc_target: str = "127.0.0.1:50051"
    """Where the sync server listens, HOST:PORT or any target name that gRPC knows."""

    grpc_tls_ca: Path | None = None
    """PEM file of the authorities of the sync server's certificate; unset: it is spoken to in the clear."""

    grpc_tls_certificate: Path | None = None
    """PEM file of the certificate to show to the sync server, if it asks for one."""

    grpc_tls_key: Path | None = None
    """PEM file of its key."""

    relay_streams: Annotated[int, Field(ge=0, le=64)] = 1
    """How many streams carry calls to the sync server, best one for each of its workers; 0: each call goes alone."""

    relay_socket: Path | None = None
    """Unix socket at which a sync server of this machine takes relayed calls; unset: they go by gRPC."""

    tls_certificate: Path | None = None
    """PEM file of the certificate to listen with; it is read again when it changes."""

    tls_key: Path | None = None
    """PEM file of its key."""

    tls_client_ca: Path | None = None
    """PEM file of authorities: clients have to show a certificate that one of them has signed (mutual TLS)."""

    insecure: bool = False
    """Listen in the clear where other machines can reach it: something in front of it speaks TLS."""

    push_deadline_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How long the server may take for a push before the client is told to try again."""

    pull_deadline_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How long the server may take for a page before the client is told to try again."""

    ready_deadline_seconds: Annotated[float, Field(gt=0)] = 1.5
    """How long /readyz waits for the server."""

    max_body_bytes: Annotated[int, Field(gt=0)] = 4 * 1024 * 1024
    """The largest body of a request; anything larger is answered 413."""

    body_read_timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How long a body may take to arrive, on top of the time its bytes need at the lowest rate."""

    body_min_bytes_per_second: Annotated[int, Field(gt=0)] = 8 * 1024
    """The lowest rate at which a body may arrive; slower clients are answered 408."""

    limit_concurrency: Annotated[int, Field(gt=0)] = 512
    """How many requests may be in progress at once, event streams and probes aside; more are answered 503."""

    limit_connections: Annotated[int, Field(ge=8)] = 16_384
    """How many connections may be open at once, as far as the limit of open files allows; then unused ones end."""

    limit_body_bytes: Annotated[int, Field(gt=0)] = 128 * 1024 * 1024
    """How much of bodies may be in memory at once; one caller may have half of it, and more is answered 503."""

    limit_streams: Annotated[int, Field(gt=0)] = 2048
    """How many event streams may be open at once; more are answered 503."""

    slow_client_seconds: Annotated[float, Field(gt=0)] = 20.0
    """How long an event may wait for room on its way to a client that takes nothing; then its stream ends."""

    keep_alive_seconds: Annotated[int, Field(gt=0)] = 75
    """How long an idle connection is kept open."""

    shutdown_grace_seconds: Annotated[int, Field(ge=0)] = 12
    """How long requests in progress may take to finish after SIGTERM."""

    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Proxies whose X-Forwarded-For is believed: addresses and networks (10.0.0.0/8), separated by commas."""

    failure_delay_seconds: Annotated[float, Field(ge=0)] = 1.0
    """How long an address waits for a refusal, once it has been refused 20 times within 10 s; 0: never."""

    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Browser origins that may call, separated by commas; `*` for all. Those of this machine may while it alone can."""

    compress_answers: bool = True
    """Whether answers of 1 KiB and more are compressed for clients that ask for it; a proxy may do so instead."""

    http_metrics_address: str | None = None
    """Where to serve Prometheus metrics of the bridge, HOST:PORT; unset: nowhere."""

    docs_enabled: bool = True
    """Whether what tells of this server is served: a page at /, /docs and /openapi.json."""

    demo_enabled: bool = True
    """Whether /demo is served, a list in two windows; it holds no key: who opens it brings one."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important log line that is written."""

    log_sample: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the calls and requests that go well of which a log line is written, from 0 to 1."""

    log_format: Literal["json", "console"] = "console"
    """How log lines look: json for machines, console for people."""

    exit_with_parent: bool = False
    """Stop when standard input, a pipe of the process that started this one, ends: that process has died."""

    @field_validator("http_address", "http_metrics_address")
    @classmethod
    def _address_has_host_and_port(cls, value: str | None) -> str | None:
        if value is not None:
            words.split_address(value)
        return value

    @field_validator("cors_origins", "trusted_proxies", mode="before")
    @classmethod
    def _list_has_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(one.strip() for one in value.split(",") if one.strip())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Proxies(value)
        return value


def knobs_of(dialects: Sequence[Dialect[Any]]) -> tuple[type[Knobs], ...]:
    """Return the settings of those dialects that have any, as base classes: pydantic takes fields of the last first."""
    return tuple(dialect.settings for dialect in reversed(dialects) if dialect.settings.model_fields)


class BridgeSettings(*knobs_of(DIALECTS), OwnSettings):  # type: ignore[misc]  # mypy takes no tuple of base classes
    """Configure the bridge and every dialect."""
