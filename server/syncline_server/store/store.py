"""The log in SQL, in whichever database it is."""

from collections.abc import Callable

from syncline_server.store.clock import system_clock_us
from syncline_server.store.engine import Engines
from syncline_server.store.postgresql.store import PostgresqlStore
from syncline_server.store.sqlite.store import SqliteStore
from syncline_server.sync.layout import Layout
from syncline_server.sync.store import Store


def open_store(engines: Engines, layout: Layout, clock_us: Callable[[], int] | None = None) -> Store:
    """Return the store behind these engines; `clock_us` takes the place of its clock, in tests."""
    if engines.sqlite is not None:
        return SqliteStore(engines.sqlite, layout, clock_us or system_clock_us)
    return PostgresqlStore(engines, layout, clock_us)
