"""Kinto as a target: the same load and the same checks, through its HTTP API."""

import base64
import secrets
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Final

from syncline_verify.history import Reader, RunHistory
from syncline_verify.http_calls import HttpCalls
from syncline_verify.kinto_door import KintoDoor
from syncline_verify.load import Load
from syncline_verify.run import Cast, Result, perform, read_again, users_of
from syncline_verify.writing import TYPES

_WRITERS: Final = 5
"""How many writers each user has."""
_BIDDERS: Final = 4
_PAGE_SIZES: Final = (7, 60, 300)
_LARGEST_BATCH: Final = 20
"""Kinto takes at most 25 requests in a batch, unless it is set otherwise."""
_LARGEST_PAGE: Final = 1000
_PLEASE_RETRY: Final = frozenset({409})
"""What Kinto answers when two transactions collide."""


@dataclass(frozen=True, slots=True)
class KintoTarget:
    """A Kinto server, and the user:password to verify it with."""

    address: str
    credentials: str
    largest_push: int

    async def verify(self, seconds: float) -> Result:
        """Drive load for so long and read all of it. Raises Unreachable."""
        run = secrets.token_hex(4)
        canaries = users_of(run, "ada", "bob", "cyd", "bidders")
        basic = base64.b64encode(self.credentials.encode()).decode()
        async with HttpCalls(self.address, {"Authorization": f"Basic {basic}"}, _PLEASE_RETRY) as calls:
            door = KintoDoor(calls, f"verify-{run}")
            await door.reach(list(canaries.values()))
            history = RunHistory(canaries=canaries, one_log=False)
            # Whatever is sent again is a version of its own to Kinto.
            load = Load(seconds, min(self.largest_push, _LARGEST_BATCH), history, Counter(), repeatable=False)
            try:
                took = await perform([_cast(load, door)])
                await _finish(load, door)
            finally:
                await door.clean()
        return Result([load.history], load.figures, took, [f"the bucket verify-{run} is deleted"])


def _cast(load: Load, door: KintoDoor) -> Cast:
    cast = Cast(load)
    *users, bidders = load.history.canaries.values()
    for user, size in zip(users, _PAGE_SIZES, strict=True):
        cast.writers += [partial(load.write, door, user, f"{user[-3:]}-{number}") for number in range(_WRITERS)]
        for number in (1, 2):
            reader = load.history.reader(f"pages of {size} of {user}, {number}", user)
            cast.readers.append(partial(load.page, door, reader, size))
    cast.writers += [partial(load.bid, door, bidders, f"bid-{number}", TYPES[0]) for number in range(_BIDDERS)]
    cast.readers.append(partial(load.page, door, load.history.reader(f"pages of {bidders}", bidders), _PAGE_SIZES[0]))
    cast.enders += [partial(load.end, door, user) for user in (*users, bidders)]
    return cast


async def _finish(load: Load, door: KintoDoor) -> None:
    """Read everything anew, and use some tokens again."""

    async def again(reader: Reader, token: str) -> Reader:
        rest = Reader(f"{reader.name} again", reader.user, reader.types)
        complete = False
        while not complete:
            page = await load.until_answered(lambda: door.page(rest, token, _LARGEST_PAGE))  # noqa: B023  # awaited at once
            rest.take(page.entries, page.token, complete=page.complete)
            token, complete = page.token, page.complete
        return rest

    anew = [await again(Reader(f"log of {user}", user), "") for user in load.history.canaries.values()]
    load.history.log = Reader("log", entries=[entry for reader in anew for entry in reader.entries])
    await read_again(load.history, again)
    load.history.readers += anew
