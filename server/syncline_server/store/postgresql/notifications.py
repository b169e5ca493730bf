"""How the processes on one PostgreSQL hear of each other's commits: hints, which may be late or lost (T5)."""

import asyncio
import os
import random
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

import asyncpg
import structlog

from syncline_server.store.postgresql.dsn import Dsn

_CHANNEL: Final = "syncline"
_ANSWER_SECONDS: Final = 3
_CHECK_SECONDS: Final = 5
_RETRY_SECONDS: Final = (0.2, 1.0)
_MAX_FOLDED: Final = 350
"""Projects in one notification, whose payload is bounded by 8,000 bytes; the others are found by polling."""

_log = structlog.get_logger()


class PostgresqlNotifications:
    """Announces this process's commits, and hears of those of others.

    Both go over one connection outside every transaction of the log: a NOTIFY inside would serialise all commits of the
    cluster. Announcements are folded over projects while one is on its way. When the connection is lost, the next one
    first listens and then has everything read again.
    """

    def __init__(self, dsn: Dsn, *, on_commit: Callable[[int], None], on_reconnect: Callable[[], None]) -> None:
        """See Engines.notifications."""
        self._dsn = dsn
        self._on_commit = on_commit
        self._on_reconnect = on_reconnect
        self._sender = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._pending: set[int] = set()
        self._news = asyncio.Event()
        self._lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._away_since: float | None = None

    def announce(self, project_id: int) -> None:
        """Tell the other processes of a commit, soon."""
        self._pending.add(project_id)
        self._news.set()

    def away_seconds(self) -> float:
        """Return for how long the database has not been reached."""
        return 0.0 if self._away_since is None else time.monotonic() - self._away_since

    def start(self) -> None:
        """Begin to listen and to announce."""
        self._task = asyncio.create_task(self._run(), name="notifications")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            cause = "terminated"
            try:
                await self._with_connection()
            except Exception as error:  # whatever it was, a next connection may do better
                cause = type(error).__name__
            if self._away_since is None:
                self._away_since = time.monotonic()
                _log.warning("the connection for notifications was lost", cause=cause)
            await asyncio.sleep(random.uniform(*_RETRY_SECONDS))  # noqa: S311  # jitter

    async def _with_connection(self) -> None:
        connection = await self._dsn.connect("syncline-notifications")
        try:
            self._lost.clear()
            connection.add_termination_listener(self._terminated)
            await connection.add_listener(_CHANNEL, self._heard)
            if self._away_since is not None:
                _log.info("the connection for notifications is back")
                self._away_since = None
            # Only now, listening again, is it safe to read what was missed.
            self._on_reconnect()
            while not self._lost.is_set():
                await self._announce_all(connection)
        finally:
            connection.terminate()

    async def _announce_all(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Announce what is pending, or see after a while whether the connection still answers."""
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await self._news.wait()
        except TimeoutError:
            await connection.execute("SELECT 1", timeout=_ANSWER_SECONDS)
            return
        self._news.clear()
        projects, self._pending = list(self._pending)[:_MAX_FOLDED], set()
        if projects:
            payload = f"{self._sender}:{','.join(str(project_id) for project_id in projects)}"
            await connection.execute("SELECT pg_notify($1, $2)", _CHANNEL, payload, timeout=_ANSWER_SECONDS)

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        sender, _, projects = str(payload).partition(":")
        if sender == self._sender:
            return
        for project_id in projects.split(","):
            if project_id.isdecimal():
                self._on_commit(int(project_id))

    def _terminated(self, _connection: Any) -> None:
        self._lost.set()
        self._news.set()
