"""Whether a COMMIT did what it says: PostgreSQL reports success where its wait for a standby was broken off.

`pg_cancel_backend`, or a tool that uses it, ends that wait with a warning; the transaction is visible, on no standby,
and gone after a failover. Its text is translated, so any warning counts. Its
outcome is unknown to whoever asked.
"""

from types import TracebackType
from typing import Any, TypeAlias

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from syncline_server.store.errors import ConnectionLost

Driver: TypeAlias = "asyncpg.Connection[Any]"


class CommitWatch:
    """Watches a connection for the time of a block, at whose end a transaction commits.

    Raises ConnectionLost at the end of the block, with the connection ended, if PostgreSQL warned of something since
    `begin` was called.
    """

    def __init__(self, driver: Driver) -> None:
        """Watch this connection."""
        self._driver = driver
        self._is_committing = self._was_warned = False

    def begin(self) -> None:
        """Take warnings for the commit's from now on."""
        self._is_committing = True

    def __enter__(self) -> "CommitWatch":
        self._driver.add_log_listener(self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._driver.remove_log_listener(self._heard)
        if error is None and self._was_warned:
            self._driver.terminate()
            raise ConnectionLost("a COMMIT was broken off while it waited for a standby; its outcome is unknown")

    def _heard(self, _connection: object, message: Any) -> None:
        if self._is_committing and message.severity_en == "WARNING":
            self._was_warned = True


def watch_commits(engine: AsyncEngine) -> None:
    """Have the commits of an engine's own transactions watched, too."""
    dialect = engine.sync_engine.dialect
    commit = dialect.do_commit

    def do_commit(connection: Any) -> None:
        with CommitWatch(connection.driver_connection) as watch:
            watch.begin()
            commit(connection)

    dialect.do_commit = do_commit  # type: ignore[assignment,method-assign]  # SQLAlchemy has no event after a commit
