"""How a server is put together for its operators: what its process can be asked, and where they are listened to."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from syncline.certificates import certificates
from syncline.proxies import Proxies
from syncline.refusals import Refusals
from syncline_server.admin.calls import Tools
from syncline_server.admin.process import Process, SettingInForce
from syncline_server.admin.serving import AdminOptions, administered
from syncline_server.health import HealthReport
from syncline_server.operate.desk import Desk
from syncline_server.rpc.metrics import Metrics
from syncline_server.rpc.peers import Peers
from syncline_server.rpc.public import HealthService
from syncline_server.settings import ServerSettings
from syncline_server.store.database import database
from syncline_server.store.engine import Engines
from syncline_server.sync.backlog import Backlog
from syncline_server.sync.feed import Feed
from syncline_server.sync.pull import Puller


def administration(
    settings: ServerSettings,
    engines: Engines,
    health: HealthReport,
    metrics: Metrics,
    backlog: Backlog,
    puller: Puller,
    feed: Feed,
) -> AbstractAsyncContextManager[str | None]:
    """Return what serves operators for the time of a block; see admin.serving.administered."""
    process = Process(
        version=version("syncline"),
        started_at=time.time(),
        settings=settings_in_force(settings, os.environ),
        is_ready=health.is_ready,
        health=health.details,
        streams=metrics.open_streams,
        waiting_pushes=lambda: backlog.pushes,
        commit_seconds=metrics.last_commit_seconds,
    )
    options = AdminOptions(
        folder=runtime_dir(settings),
        address=settings.admin_address,
        certificates=certificates(settings.tls_certificate, settings.tls_key, settings.tls_client_ca, "tls"),
    )
    return administered(
        Tools(Desk(engines), process, puller, feed),
        metrics,
        HealthService(health),
        Refusals(settings.failure_delay_seconds),
        Peers(Proxies(settings.trusted_proxies)),
        options,
    )


def runtime_dir(settings: ServerSettings) -> Path | None:
    """Return the folder of the socket for operators; None: there is none."""
    if settings.runtime_dir is not None:
        return settings.runtime_dir
    file = database(settings.database, settings.data_dir).file
    return file.parent if file is not None else None


def settings_in_force(settings: ServerSettings, environment: Mapping[str, str]) -> Sequence[SettingInForce]:
    """Return the settings of a process that was started with this environment, in the order of their fields."""
    return [
        SettingInForce(_variable(name), _shown(settings, name), _origin(settings, name, environment), _about(name))
        for name in ServerSettings.model_fields
    ]


def _origin(settings: ServerSettings, name: str, environment: Mapping[str, str]) -> str:
    """Tell where a setting comes from; pydantic keeps no record of it, but options alone go before the environment."""
    if name not in settings.model_fields_set:
        return "default"
    known = {key.upper(): value for key, value in environment.items()}
    if _variable(name) not in known:
        return "option"
    given = ServerSettings.model_validate({name: known[_variable(name)]})
    return "environment" if getattr(given, name) == getattr(settings, name) else "option"


def _shown(settings: ServerSettings, name: str) -> str:
    value: Any = getattr(settings, name)
    if value is None:
        return ""
    if name == "database":
        return str(database(value, settings.data_dir))  # without its password
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _variable(name: str) -> str:
    return f"SYNCLINE_{name.upper()}"


def _about(name: str) -> str:
    return ServerSettings.model_fields[name].description or ""
