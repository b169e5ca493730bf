"""The workers of `syncline server`: processes on one port, started, kept running and ended together."""

import asyncio
import os
import subprocess
import sys
import time
from typing import Final

import structlog

from syncline_command.parsing import CommandFailed
from syncline_command.settings import environment_of
from syncline_command.stopping import stop_signal
from syncline_server.settings import ServerSettings
from syncline_server.store.database import database
from syncline_server.store.opening import opened_engines, prepare_schema

_RESTART_SECONDS: Final = 1.0
_SHORT_LIFE_SECONDS: Final = 5.0
_SHORT_LIVES: Final = 5
_STOP_SECONDS: Final = 15.0
_OF_ONE: Final = {"workers", "reuse_port", "metrics_address", "admin_address"}
"""What workers cannot share; the first one alone listens for operators."""

_log = structlog.get_logger()


async def run_workers(settings: ServerSettings) -> None:
    """Run `settings.workers` servers until SIGTERM or SIGINT; one that dies is started again.

    Raises CommandFailed, and what opening the database raises.
    """
    stop = stop_signal(exit_with_parent=settings.exit_with_parent)
    async with opened_engines(database(settings.database, settings.data_dir)) as engines:
        if not engines.is_shared:
            raise CommandFailed("several workers need PostgreSQL: one process owns a SQLite database")
        await prepare_schema(engines)
    if settings.grpc_address.endswith(":0"):
        raise CommandFailed("several workers need a port to share, not port 0")
    keepers = [asyncio.create_task(_keep_running(settings, number)) for number in range(settings.workers)]
    stopped = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait({stopped, *keepers}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (stopped, *keepers):
            task.cancel()
        await asyncio.wait({stopped, *keepers})
    for keeper in done - {stopped}:
        keeper.result()


async def _keep_running(settings: ServerSettings, number: int) -> None:
    """Run one worker, again and again. Raises CommandFailed when it keeps dying at once."""
    short_lives = 0
    while short_lives < _SHORT_LIVES:
        started_at = time.monotonic()
        code = await _run_once(settings, number)
        short_lives = short_lives + 1 if time.monotonic() - started_at < _SHORT_LIFE_SECONDS else 0
        _log.error("a worker ended; it is started again", worker=number, code=code)
        await asyncio.sleep(_RESTART_SECONDS)
    raise CommandFailed(f"worker {number} does not stay alive; its log says why")


async def _run_once(settings: ServerSettings, number: int) -> int:
    # Its standard input is a pipe that this process alone holds: it ends when this process does, however that ends.
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "syncline_command", "server", stdin=subprocess.PIPE, env=_environment(settings, number)
    )
    try:
        return await worker.wait()
    except asyncio.CancelledError:
        worker.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await worker.wait()
        except TimeoutError:
            worker.kill()
            await worker.wait()
        raise


def _environment(settings: ServerSettings, number: int) -> dict[str, str]:
    given = settings.model_dump(mode="json", exclude_none=True, exclude=_OF_ONE)
    environment = environment_of(given)
    environment |= {"SYNCLINE_WORKERS": "1", "SYNCLINE_REUSE_PORT": "1", "SYNCLINE_EXIT_WITH_PARENT": "1"}
    if settings.admin_address and number == 0:
        environment["SYNCLINE_ADMIN_ADDRESS"] = settings.admin_address
    if settings.metrics_address:
        host, _, port = settings.metrics_address.rpartition(":")
        environment["SYNCLINE_METRICS_ADDRESS"] = f"{host}:{int(port) + number}"
    others = {name: value for name, value in os.environ.items() if name.upper() != "SYNCLINE_ADMIN_ADDRESS"}
    return {**others, **environment}
