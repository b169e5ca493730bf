"""The documented JSON protocols that the bridge speaks: a folder each, and a line each below."""

from typing import Any

from syncline_bridge.dialect import Dialect
from syncline_bridge.dialects import checkpoint_sync, mutation_sync, rxdb

DIALECTS: tuple[Dialect[Any], ...] = (
    checkpoint_sync.DIALECT,
    mutation_sync.DIALECT,
    rxdb.DIALECT,
)
