"""What a connection to PostgreSQL has to be before it is used: to a fit database, with the settings that we rely on."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import asyncpg

Driver: TypeAlias = "asyncpg.Connection[Any]"
Connect: TypeAlias = Callable[[], Awaitable[Driver]]

_NOT_DURABLE: Final = {"off", "local"}
"""Of synchronous_commit; an operator may ask for more than `on`, and gets it."""
_FACTS: Final = """
    SELECT current_setting('server_encoding'), current_setting('synchronous_commit'), pg_backend_pid()"""
_SETTINGS: Final = "SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS wanted (name, value)"
_PROBE_SECONDS: Final = 3
_UNFIT_POOLER: Final = (
    "it is reached through a pooler in transaction mode (PgBouncer?), which mixes up sessions: "
    "connect to PostgreSQL itself, or use pool_mode = session"
)


class DatabaseUnfit(ConnectionError):
    """A database, or what lies before it, cannot carry the log; the message says what to change."""


async def set_up(driver: Driver, wanted: Mapping[str, str], connect: Connect) -> None:
    """Bring the settings into force, whatever is between here and PostgreSQL. Raises DatabaseUnfit."""
    ((encoding, commits, pid),) = await driver.fetch(_FACTS)
    if encoding != "UTF8":
        raise DatabaseUnfit(
            f"its encoding is {encoding} and has to be UTF8: make another with "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )
    if driver.get_server_pid() != pid:
        await _check_pooler(driver, pid, connect)
    # Not as startup parameters: a pooler refuses them, or drops them without a word.
    in_force = {**wanted, "synchronous_commit": "on"} if commits in _NOT_DURABLE else wanted
    await driver.fetch(_SETTINGS, list(in_force), list(in_force.values()))


async def _check_pooler(driver: Driver, pid: int, connect: Connect) -> None:
    """Refuse a pooler that does not keep a session on one connection. Raises DatabaseUnfit."""
    other = await connect()
    try:
        # The pooler hands out what was used last: what another session has just given back.
        await other.execute("BEGIN; SELECT 1")
        pids = {pid, await _pid(driver)}
        await other.execute("ROLLBACK")
        pids.add(await _pid(driver))
    except (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError, TimeoutError):
        raise DatabaseUnfit(_UNFIT_POOLER) from None
    finally:
        other.terminate()
    if len(pids) > 1:
        raise DatabaseUnfit(_UNFIT_POOLER)


async def _pid(driver: Driver) -> int:
    found: int = await driver.fetchval("SELECT pg_backend_pid()", timeout=_PROBE_SECONDS)
    return found
