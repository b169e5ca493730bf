"""How often a process that serves looks for cycles of objects."""

import gc
from typing import Final

_OBJECTS_BETWEEN_COLLECTIONS: Final = 10_000
"""By default 700: a few requests."""


def calm_collector() -> None:
    """Let Python look for cycles less often, and not in what a server keeps to its end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
