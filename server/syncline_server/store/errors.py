"""How driver errors become the two that the rules know; nothing of a driver passes this line."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from syncline_server.store.histories import EpochMoved
from syncline_server.store.losses import DatabaseLost
from syncline_server.sync.errors import StoreUnavailable
from syncline_server.sync.store import StoreRejected

_UNAVAILABLE_SQLSTATE_CLASSES: Final = frozenset(
    {
        "08",  # connection exceptions
        "25",  # read-only transaction, idle in transaction for too long
        "28",  # refused at the door: role or password
        "3D",  # no such database
        "40",  # deadlock, serialisation
        "53",  # disk full, out of memory, too many connections
        "55",  # lock not available
        "57",  # shutting down, cancelled by a time limit
        "58",  # I/O error
    }
)
_RESTORED_OR_POOLED: Final = frozenset({"42P01", "26000", "42P05"})
"""No such table, as while a dump is restored; no such prepared statement or two, as behind a pooler."""


class ConnectionLost(Exception):
    """The connection that was used has ended, perhaps long before; another may do. It never leaves the store."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn driver errors of the block into StoreUnavailable and StoreRejected; others are defects and pass."""
    try:
        yield
    except (DataError, IntegrityError) as error:
        raise StoreRejected(str(error.orig)) from error
    except DBAPIError as error:
        if not _is_unavailable(error):
            raise
        raise StoreUnavailable from error
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        # Not the error itself: its detail quotes the row.
        raise StoreRejected(error.args[0]) from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if not _is_trouble(error):
            raise
        raise StoreUnavailable from error
    except (sqlite3.DataError, sqlite3.IntegrityError) as error:
        raise StoreRejected(str(error)) from error
    except (sqlite3.OperationalError, sqlite3.InterfaceError) as error:
        raise StoreUnavailable from error
    # OSError: asyncpg could not connect; InternalClientError: it found the connection in mid-farewell.
    except (PoolTimeout, OSError, asyncpg.InternalClientError, ConnectionLost, EpochMoved, DatabaseLost) as error:
        raise StoreUnavailable from error


def _is_trouble(error: object) -> bool:
    """Tell trouble with the database from a defect; a driver's error without a SQLSTATE is about its connection."""
    sqlstate = getattr(error, "sqlstate", None)
    return not isinstance(sqlstate, str) or (
        sqlstate[:2] in _UNAVAILABLE_SQLSTATE_CLASSES or sqlstate in _RESTORED_OR_POOLED
    )


def _is_unavailable(error: DBAPIError) -> bool:
    if isinstance(getattr(error.orig, "sqlstate", None), str):
        return _is_trouble(error.orig)
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
