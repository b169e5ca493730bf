"""Whether anything can be written: a row that means nothing else is changed, and waited for as a push would be."""

from typing import Final

from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated

_CHANGE: Final = """
    INSERT INTO servers (id, version, schema, address, started_at_us, heard_at_us)
    VALUES ('write-check', '', '', '', 0, 0) ON CONFLICT (id) DO UPDATE SET heard_at_us = servers.heard_at_us + 1"""
"""The row is that of no server: none was heard of so long ago."""


async def check_writes(engines: Engines) -> None:
    """Write something. Raises StoreUnavailable."""
    with translated():
        await engines.write(_CHANGE, ())
