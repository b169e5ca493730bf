"""How connections to SQLite are set up, whoever opens them."""

from typing import Any, Final

_BUSY_SECONDS: Final = 3
"""Another process that writes is waited for so long, by all but pushes."""
_NO_CHECKPOINT: Final = "wal_autocheckpoint = 0"
"""See SqliteCheckpointer."""
WAL_BYTES: Final = 4 * 1024 * 1024
"""How long the WAL gets before it is checkpointed, and how long it stays when it starts over."""
_WAITING: Final = f"busy_timeout = {_BUSY_SECONDS * 1000}"
WRITING_ON_THE_LOOP: Final = (
    # Nothing blocks the event loop; whoever writes asks again.
    "busy_timeout = 0",
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "cache_size = -65536",
    f"journal_size_limit = {WAL_BYTES}",
    _NO_CHECKPOINT,
)
WRITING: Final = (_WAITING, *WRITING_ON_THE_LOOP[1:])
READING: Final = (_WAITING, "query_only = ON", "cache_size = -8192", _NO_CHECKPOINT)


def set_up(connection: Any, pragmas: tuple[str, ...]) -> None:
    """Set up a connection, or a cursor of one."""
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
