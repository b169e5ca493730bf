"""The engines of a PostgreSQL database, and the settings of their connections (L6, T6)."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import Any, Final, NoReturn, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from syncline_server.store.engine import POOL_TIMEOUT_SECONDS, Connections, Engines
from syncline_server.store.postgresql import backfill, upgrade
from syncline_server.store.postgresql.committing import watch_commits
from syncline_server.store.postgresql.dsn import Dsn
from syncline_server.store.postgresql.incarnation import (
    check_incarnation,
    check_primary,
    check_when_connected,
    check_whole,
    remember_tables,
)
from syncline_server.store.postgresql.notifications import PostgresqlNotifications
from syncline_server.store.postgresql.sessions import Connect, set_up
from syncline_server.store.postgresql.store import PostgresqlStore
from syncline_server.sync.layout import Layout
from syncline_server.sync.store import Store

_CLOSE_SECONDS: Final = 5
_PLANNED_ONCE: Final = {
    # Look-ups have one right plan, by index, from the first row on: before a table's first ANALYZE the planner knows
    # no better than to guess. So they are planned once a connection: that takes longer than a look-up. Whatever state
    # the table was in when the plan was made, it has to be the right one: test_plans.py.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}
_WRITING: Final = {
    "lock_timeout": "3s",
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": "5s",
    **_PLANNED_ONCE,
}
_READING: Final = {
    "statement_timeout": "30s",
    "default_transaction_read_only": "on",
    **_PLANNED_ONCE,
}

T = TypeVar("T")


class PostgresqlEngines(Engines):
    """See Engines."""

    is_shared = True

    def __init__(self, dsn: Dsn, connections: Connections) -> None:
        self._dsn, self._tries = dsn, connections.reading
        super().__init__(
            str(dsn),
            writing=_engine(dsn, "syncline-write", connections.writing),
            # One statement a read: no transaction to open or to roll back.
            reading=_engine(
                dsn, "syncline-read", connections.reading, isolation_level="AUTOCOMMIT", pool_reset_on_return=None
            ),
        )
        self._connect: Connect = partial(dsn.connect, "syncline-probe")
        for engine, wanted in ((self.writing, _WRITING), (self.reading, _READING)):
            check_when_connected(engine, partial(set_up, wanted=wanted, connect=self._connect))
            remember_tables(engine)
        watch_commits(self.writing)

    def make_place(self) -> None:
        """Do nothing: the operator has made the database."""

    def require_place(self) -> None:
        """Do nothing: a connection will tell."""

    def owned(self) -> AbstractContextManager[None]:
        """Own nothing: other processes may serve it, too."""
        return nullcontext()

    async def stays(self) -> NoReturn:
        """Return never: each connection looks for itself."""
        while True:
            await asyncio.Event().wait()

    def writing_alone(self) -> AbstractAsyncContextManager[None]:
        """Keep nothing from happening."""
        return nullcontext()

    async def finished(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work; a statement that is cancelled ends, and its connection with it."""
        return await work

    async def execute(
        self, connection: AsyncConnection, statement: str, parameters: tuple[Any, ...] = ()
    ) -> Sequence[Any]:
        """Run a statement."""
        result = await connection.exec_driver_sql(statement, parameters)
        return result.all() if result.returns_rows else []

    async def write(self, statement: str, parameters: tuple[Any, ...]) -> int:
        """Run a statement."""
        async with self.writing.begin() as connection:
            return (await connection.exec_driver_sql(statement, parameters)).rowcount

    async def lock(self, connection: AsyncConnection, key: int) -> None:
        """Take an advisory lock."""
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})

    async def wait_without_limit(self, connection: AsyncConnection) -> None:
        """Lift the time limits of writing connections."""
        await connection.execute(text("SET LOCAL lock_timeout = 0"))
        await connection.execute(text("SET LOCAL statement_timeout = 0"))

    async def upgrade(self, progress: Callable[[int, int], None] | None) -> None:
        """Expand; of a new database also contract. There is no progress to report: it does not wait for rows."""
        await upgrade.expand(self)

    async def contract(self) -> None:
        """Contract."""
        await upgrade.contract(self)

    async def backfill(self) -> None:
        """Backfill, taking turns with other servers."""
        await backfill.run(self)

    async def clock_us(self, connection: AsyncConnection) -> int:
        """Return the database's clock."""
        now = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        return int((await connection.execute(now)).scalar_one())

    async def watch_epochs(self, clock_us: Callable[[], int] | None) -> None:
        """See to it that from now on every connection is to the primary, and of the epoch in force.

        Before a connection can write, the epoch of the database's incarnation is recorded.
        """

        async def check_reading(driver: Any) -> None:
            await check_primary(driver)
            await check_whole(driver)

        async def check_writing(driver: Any) -> None:
            await check_reading(driver)
            await check_incarnation(driver, clock_us)

        for engine, check in ((self.reading, check_reading), (self.writing, check_writing)):
            check_when_connected(engine, check)
            await engine.dispose()  # of connections that were not checked

    def open_store(self, layout: Layout, clock_us: Callable[[], int] | None = None) -> Store:
        """Return the log."""
        return PostgresqlStore(self.writing, self.reading, self._tries, layout, clock_us)

    def notifications(
        self, *, on_commit: Callable[[int], None], on_reconnect: Callable[[], None]
    ) -> PostgresqlNotifications:
        """Return how its processes hear of each other's commits."""
        return PostgresqlNotifications(self._dsn, on_commit=on_commit, on_reconnect=on_reconnect)

    async def close(self) -> None:
        """Close all connections."""
        with suppress(TimeoutError):  # a database that is gone without a word answers no farewell
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.reading.dispose()
                await self.writing.dispose()


def _engine(dsn: Dsn, name: str, size: int, **options: Any) -> AsyncEngine:
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(dsn.connect, name),
        pool_size=size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        hide_parameters=True,  # payloads stay out of errors, and so out of logs
        **options,
    )
