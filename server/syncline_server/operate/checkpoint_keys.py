"""The keys of checkpoint tokens: an operator makes a new one, and loses nobody by it."""

from syncline_server.store import checkpoint_secrets
from syncline_server.store.engine import Engines


async def rotate(engines: Engines, by: str) -> int:
    """Make a key and return its id; servers sign with it after a minute, and read tokens of the 15 before it.

    `by` is who does so, for the audit. Raises StoreUnavailable.
    """
    return await checkpoint_secrets.rotate(engines, by)
