"""The keys of checkpoint tokens: all are read, and the newest signs, once every server has heard of it."""

import asyncio
import logging
import secrets
from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import delete, insert, select

from syncline_server.store import audit
from syncline_server.store.audit import Act
from syncline_server.store.clock import system_clock_us
from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.store.tables import checkpoint_keys
from syncline_server.sync.checkpoint import CheckpointCodec
from syncline_server.sync.errors import StoreUnavailable

_SECRET_BYTES: Final = 32
_KEY_IDS: Final = 255
_MOST_KEYS: Final = 16
"""Tokens of keys before them are no longer read: their readers start over."""
_LOOK_SECONDS: Final = 20.0
SIGNS_AFTER_SECONDS: Final = 60
"""Three looks: a token that another server could not read would send its reader back to the start."""

_log = logging.getLogger(__name__)


async def in_order(engines: Engines) -> dict[int, bytes]:
    """Return all keys by their ids, first the one that signs. Raises StoreUnavailable."""
    newest_first = select(checkpoint_keys).order_by(checkpoint_keys.c.created_at_us.desc(), checkpoint_keys.c.id)
    with translated():
        async with engines.reading.connect() as connection:
            keys = (await connection.execute(newest_first)).all()
    assert keys, "migrate makes one"
    known_since = system_clock_us() - SIGNS_AFTER_SECONDS * 1_000_000
    known = [key for key in keys if key.created_at_us <= known_since] or [keys[-1]]
    return {key.id: key.secret for key in (*known, *keys)}


async def rotate(engines: Engines, by: str) -> int:
    """Make a key and return its id; servers sign with it after a minute. Raises StoreUnavailable."""
    newest_first = select(checkpoint_keys.c.id).order_by(checkpoint_keys.c.created_at_us.desc(), checkpoint_keys.c.id)
    with translated():
        async with engines.writing.begin() as connection:
            ids = list((await connection.execute(newest_first)).scalars())
            for dropped in ids[_MOST_KEYS - 1 :]:
                await connection.execute(delete(checkpoint_keys).where(checkpoint_keys.c.id == dropped))
            made = new_key(ids)
            await connection.execute(insert(checkpoint_keys).values(**made, created_at_us=system_clock_us()))
            await audit.record(connection, by, Act("checkpoint-key.rotate", subject=str(made["id"])))
    return int(made["id"])


def new_key(ids: Collection[int]) -> dict[str, Any]:
    """Make a key that has none of these ids."""
    free = [one for one in range(1, _KEY_IDS + 1) if one not in ids]
    return {"id": secrets.choice(free), "secret": secrets.token_bytes(_SECRET_BYTES)}


async def keep_reading(engines: Engines, codec: CheckpointCodec) -> None:
    """Let tokens be made and read with the keys that there are, for ever."""
    known: dict[int, bytes] = {}
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            found = await in_order(engines)
        except StoreUnavailable:
            _log.warning("the keys of checkpoint tokens could not be read; those before stay in use")
            continue
        # The scope tags that a codec keeps are not to be made again without need.
        if list(found) != list(known):
            codec.use(found)
            known = found
