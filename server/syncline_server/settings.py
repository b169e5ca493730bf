"""Every knob of the server; each is an environment variable, `SYNCLINE_` and its name in capitals."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from syncline import words
from syncline.proxies import Proxies

_KIB = 1024
_MIB = 1024 * 1024


def _checked_address(value: str) -> str:
    words.split_address(value)
    return value


def _checked_networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    networks = tuple(network.strip() for network in value.split(",") if network.strip())
    Proxies(networks)
    return networks


Networks = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_checked_networks)]
Address = Annotated[str, AfterValidator(_checked_address)]


class ServerSettings(BaseSettings):
    """What can be set of the server."""

    model_config = SettingsConfigDict(
        env_prefix="SYNCLINE_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    data_dir: Path = Path("syncline-data")
    """Folder of the embedded SQLite database."""

    database: str | None = None
    """Database URL, `postgresql://…` or `sqlite:///path`; unset: SQLite in the data folder."""

    database_reading_connections: Annotated[int, Field(ge=1, le=1000)] = 8
    """Most connections of a process to PostgreSQL that read; one more listens."""

    database_writing_connections: Annotated[int, Field(ge=1, le=1000)] = 6
    """Most connections of a process to PostgreSQL that write."""

    grpc_address: Address = "127.0.0.1:50051"
    """Where to listen for gRPC, HOST:PORT; port 0 takes a free one."""

    tls_certificate: Path | None = None
    """PEM file of the certificate to listen with, over gRPC and HTTP; it is read again when it changes."""

    tls_key: Path | None = None
    """PEM file of its key."""

    tls_client_ca: Path | None = None
    """PEM file of authorities: clients have to show a certificate that one of them has signed (mutual TLS)."""

    insecure: bool = False
    """Listen in the clear where other machines can reach it: something in front of it speaks TLS."""

    http_address: Address = "127.0.0.1:8080"
    """Where to listen for HTTP, HOST:PORT; port 0 takes a free one."""

    no_http: bool = False
    """`syncline serve` without the HTTP bridge."""

    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes of `syncline server` that share the gRPC port; more than one needs PostgreSQL."""

    reuse_port: bool = False
    """Let other processes listen on the same gRPC port; `workers` sets it for its own."""

    metrics_address: Address | None = None
    """Where to serve Prometheus metrics, HOST:PORT; unset: nowhere. Each further worker takes the next port."""

    runtime_dir: Path | None = None
    """Folder of the socket for operators; unset: that of the SQLite database, and none with PostgreSQL."""

    admin_address: Address | None = None
    """Where to listen for operators who come with a key, HOST:PORT; unset: nowhere but on the socket."""

    max_push_changes: Annotated[int, Field(ge=1, le=words.MAX_PUSH_CHANGES)] = words.MAX_PUSH_CHANGES
    """Most changes in a push."""

    max_data_bytes: Annotated[int, Field(ge=1, le=_MIB)] = 256 * _KIB
    """Largest data of an entity."""

    max_message_bytes: Annotated[int, Field(ge=_KIB)] = 4 * _MIB
    """Largest gRPC request."""

    max_page_bytes: Annotated[int, Field(ge=_KIB)] = 2 * _MIB
    """Changes in a page, after which it is cut."""

    max_answer_bytes: Annotated[int, Field(ge=_MIB)] = 16 * _MIB
    """Most data that the answer to a push may carry."""

    max_waiting_pushes: Annotated[int, Field(ge=1)] = 16_384
    """Most pushes that wait for the database at once."""

    max_waiting_bytes: Annotated[int, Field(ge=_MIB)] = 64 * _MIB
    """Most memory of pushes that wait for the database; over it they are refused (OVERLOADED)."""

    max_project_waiting_pushes: Annotated[int, Field(ge=1)] = 8_192
    """Most pushes of one project that wait for the database at once."""

    max_project_waiting_bytes: Annotated[int, Field(ge=_MIB)] = 48 * _MIB
    """Most memory of the pushes of one project that wait for the database."""

    calls_per_minute: Annotated[int, Field(ge=0)] = 120_000
    """Most calls of a user in a minute, failed ones, streams, and each change of a push among them; 0: any number."""

    push_bytes_per_minute: Annotated[int, Field(ge=0)] = 512 * _MIB
    """Most bytes of a user's pushes in a minute; 0: any number."""

    devices_per_user: Annotated[int, Field(ge=0)] = 1000
    """Most devices that the sessions of a user may name in a day; 0: any number."""

    max_user_bytes: Annotated[int, Field(ge=0)] = 0
    """Most data that is kept of a user; 0: any number of bytes."""

    max_user_note_bytes: Annotated[int, Field(ge=0)] = 64 * _MIB
    """Most data of a user's notes; 0: any number of bytes."""

    max_user_types: Annotated[int, Field(ge=0)] = 0
    """Most entity types of a user; 0: any number."""

    max_user_streams: Annotated[int, Field(ge=1)] = 250
    """Most streams of a user at once."""

    max_connections: Annotated[int, Field(ge=8)] = 16_384
    """Most gRPC connections at once, as far as the limit of open files (`ulimit -n`) allows."""

    failure_delay_seconds: Annotated[float, Field(ge=0)] = 1.0
    """How long an address waits for a refusal, once it has been refused 20 times within 10 s; 0: never."""

    trusted_proxies: Networks = ()
    """Proxies whose X-Forwarded-For is believed: addresses and networks (10.0.0.0/8), separated by commas."""

    heartbeat_seconds: Annotated[float, Field(gt=0)] = 15.0
    """How often an idle stream gets a checkpoint."""

    poll_seconds: Annotated[float, Field(gt=0)] = 1.0
    """How often the heads of followed logs are looked at even when no commit was heard of (jittered); PostgreSQL."""

    slow_reader_seconds: Annotated[float, Field(gt=0)] = 30.0
    """How long the reader of a stream may take nothing before it is cut."""

    drain_seconds: Annotated[float, Field(ge=0)] = 10.0
    """How long calls in progress may take to finish after SIGTERM."""

    exit_with_parent: bool = False
    """Stop when standard input, a pipe of the process that started this one, ends: that process has died."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important log line that is written."""

    log_sample: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the calls and requests that go well of which a log line is written, from 0 to 1."""

    log_format: Literal["json", "console"] = "console"
    """How log lines look: json for machines, console for people."""
