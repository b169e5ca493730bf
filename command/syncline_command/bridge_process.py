"""The bridge as a child of `syncline serve`: started, waited for, ended, and named when it fails."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, NoReturn

import structlog

from syncline_command.links import reachable
from syncline_command.parsing import CommandFailed

_START_SECONDS: Final = 20
_STOP_SECONDS: Final = 15
_OF_THE_SERVER: Final = ("SYNCLINE_", "PG")
_SECRETS: Final = ("DATABASE", "PASSWORD", "PASSWD", "SECRET", "API_KEY", "DSN")
"""Words in the names of variables that hold what the bridge has no use for."""

_log = structlog.get_logger()


@asynccontextmanager
async def running_bridge(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the bridge for the time of the block, not waited for at its start; ends with this process at the latest."""
    bridge = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "syncline_command", "bridge"),
        # A pipe that this process alone holds: it is closed when this process ends.
        stdin=asyncio.subprocess.PIPE,
        env={**_inherited(os.environ), **environment, "SYNCLINE_EXIT_WITH_PARENT": "1"},
    )
    try:
        yield bridge
    finally:
        await end_bridge(bridge)


async def bridge_ends(bridge: asyncio.subprocess.Process) -> NoReturn:
    """Wait for the end of the bridge. Raises CommandFailed then."""
    raise CommandFailed(f"the HTTP bridge ended with code {await bridge.wait()}")


def _inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the bridge gets of this process's environment: its own settings, and nothing of the database.

    Strangers speak to the bridge; what it does not know cannot be got out of it.
    """
    from syncline_bridge.settings import BridgeSettings

    own = {f"SYNCLINE_{name.upper()}" for name in BridgeSettings.model_fields}
    return {
        name: value
        for name, value in environment.items()
        if name in own or not (name.startswith(_OF_THE_SERVER) or any(word in name.upper() for word in _SECRETS))
    }


async def bridge_started(http_address: str, bridge: asyncio.subprocess.Process) -> None:
    """Wait until the bridge accepts connections. Raises CommandFailed."""
    host, _, port = reachable(http_address).rpartition(":")
    try:
        async with asyncio.timeout(_START_SECONDS):
            while bridge.returncode is None:
                try:
                    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    await writer.wait_closed()
                    if bridge.returncode is None:
                        return
    except TimeoutError:
        pass
    raise CommandFailed(f"the HTTP bridge did not start on {http_address}")


async def end_bridge(bridge: asyncio.subprocess.Process) -> None:
    """End the bridge, unless it has: politely, then not."""
    if bridge.returncode is not None:
        return
    bridge.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await bridge.wait()
    except TimeoutError:
        _log.warning("the HTTP bridge did not end in time", seconds=_STOP_SECONDS)
        bridge.kill()
        await bridge.wait()
