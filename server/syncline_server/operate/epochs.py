"""Epochs: an operator begins one by hand, and sees which there have been."""

from syncline_server.store import epochs
from syncline_server.store.engine import Engines
from syncline_server.store.epochs import RecordedEpoch


async def begin(engines: Engines, by: str) -> RecordedEpoch:
    """Begin an epoch; `by` is who does so, for the audit. Raises StoreUnavailable."""
    return await epochs.begin_by_hand(engines, by=by)


async def recorded(engines: Engines) -> list[RecordedEpoch]:
    """Return all epochs, oldest first. Raises StoreUnavailable."""
    return await epochs.recorded(engines)
