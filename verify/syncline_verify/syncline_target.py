"""Syncline as a target: all its dialects at once, with users of the run's own, who are cleaned up after."""

import secrets
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from syncline.certificates import ClientTls
from syncline_client import delete
from syncline_verify.checkpoint_door import CheckpointDoor
from syncline_verify.doors import Refused, Throttled, Unanswered
from syncline_verify.grpc_door import GrpcDoor
from syncline_verify.history import Entity, Reader, RunHistory
from syncline_verify.http_calls import HttpCalls
from syncline_verify.load import Load
from syncline_verify.mutation_door import MutationDoor
from syncline_verify.run import Cast, Result, perform, read_again, users_of
from syncline_verify.rxdb_door import RxdbDoor
from syncline_verify.writing import TYPES

_WRITERS: Final = 5
"""How many writers each user has over gRPC."""
_BIDDERS: Final = 4
_PAGE_SIZES: Final = (7, 60, 300)
"""Of the readers of each user, one after the other: from one that cuts every page to one that is always at the end."""
_LARGEST_PAGE: Final = 1000
_FEW: Final = 3
"""The most changes in one push where a reader gets one at a time."""
_NOTE: Final = "NOTE"


@dataclass(frozen=True, slots=True)
class SynclineTarget:
    """A deployment, and the server key to verify it with."""

    grpc_address: str
    http_address: str | None
    tls: ClientTls | None
    """None: in the clear."""
    api_key: str
    largest_push: int

    async def verify(self, seconds: float) -> Result:
        """Drive load for so long and read all of it. Raises Unreachable."""
        run = secrets.token_hex(4)
        canaries = users_of(run, "ada", "bob", "cyd", "bidders")
        by_mutations = users_of(run, "mutations") if self.http_address else {}
        by_rxdb = users_of(run, "rxdb") if self.http_address else {}
        address, tls = self.grpc_address, self.tls
        async with AsyncExitStack() as stack:
            grpc = await stack.enter_async_context(GrpcDoor(address, self.api_key, tls=tls))
            coarse = await stack.enter_async_context(GrpcDoor(address, self.api_key, tls=tls, unit_us=1000))
            await grpc.reach(next(iter(canaries.values())))
            figures: Counter[str] = Counter()
            load = Load(seconds, self.largest_push, RunHistory(canaries=canaries), figures)
            start = await _end_of_log(grpc)
            cast = _cast(load, grpc, start)
            casts = [cast]
            if self.http_address:
                calls = await stack.enter_async_context(self._calls("X-Api-Key"))
                checkpoint = CheckpointDoor(calls)
                await checkpoint.reach(next(iter(canaries.values())))
                _join(cast, checkpoint)
                documents = Load(seconds, min(self.largest_push, _FEW), RunHistory(canaries=by_rxdb), figures)
                casts.append(_rxdb_cast(documents, RxdbDoor(calls), grpc))
                calls = await stack.enter_async_context(self._calls("X-Client-Id"))
                mutations = Load(seconds, self.largest_push, RunHistory(canaries=by_mutations, one_log=False), figures)
                casts.append(_mutation_cast(mutations, MutationDoor(calls), coarse))
            users = [*canaries.values(), *by_mutations.values(), *by_rxdb.values()]
            try:
                took = await perform(casts)
                await _finish(load, grpc, start)
            finally:
                left = await _clean(grpc, users)
            notes = [f"{len(users)} users verify-{run}-…: {left}"]
            return Result([cast.load.history for cast in casts], figures, took, notes)

    @asynccontextmanager
    async def _calls(self, key_header: str) -> AsyncIterator[HttpCalls]:
        assert self.http_address is not None
        headers = {key_header: self.api_key, "Content-Type": "application/json"}
        async with HttpCalls(self.http_address, headers, tls=self.tls) as calls:
            yield calls


def _cast(load: Load, door: GrpcDoor, start: str) -> Cast:
    """Return writers and readers of each user by gRPC, bidders of one, and the firehose over all of them."""
    cast = Cast(load)
    *users, bidders = load.history.canaries.values()
    for user, size in zip(users, _PAGE_SIZES, strict=True):
        cast.writers += [partial(load.write, door, user, f"{user[-3:]}-{number}") for number in range(_WRITERS)]
        pages = load.history.reader(f"pages of {size} of {user}", user)
        typed = load.history.reader(f"pages of {TYPES[0]} of {user}", user, TYPES[0])
        stream = load.history.reader(f"stream of {user}", user)
        cast.readers.append(partial(load.page, door, pages, size))
        cast.readers.append(partial(load.page, door, typed, size))
        cast.readers.append(partial(load.follow, door, stream, [user], ""))
    cast.writers += [partial(load.bid, door, bidders, f"bid-{number}", TYPES[0]) for number in range(_BIDDERS)]
    cast.readers.append(partial(load.page, door, load.history.reader(f"pages of {bidders}", bidders), _PAGE_SIZES[0]))
    everyone = [*users, bidders]
    cast.readers.append(partial(load.follow, door, load.history.reader("firehose"), everyone, start))
    cast.enders += [partial(load.end, door, user) for user in everyone]
    return cast


def _join(cast: Cast, door: CheckpointDoor) -> None:
    """Add a writer and a reader of each user by checkpoint sync."""
    load = cast.load
    for user in list(load.history.canaries.values())[:-1]:
        cast.writers.append(partial(load.write, door, user, f"{user[-3:]}-http", touching=False))
        reader = load.history.reader(f"checkpoint sync of {user}", user, TYPES[0])
        cast.readers.append(partial(load.page, door, reader, _LARGEST_PAGE))


def _rxdb_cast(load: Load, door: RxdbDoor, grpc: GrpcDoor) -> Cast:
    """Return writers and a reader as RxDB has them, and one who reads the same by gRPC.

    Nobody else writes for this user: a document of RxDB shows its id as a member, whether it was written or not.
    """
    (user,) = load.history.canaries.values()
    cast = Cast(load)
    cast.writers += [partial(load.write, door, user, f"rxdb-{number}", touching=False) for number in range(2)]
    cast.readers.append(partial(load.page, door, load.history.reader(f"RxDB of {user}", user, TYPES[0]), 1))
    cast.readers.append(partial(load.page, grpc, load.history.reader(f"pages of {user}", user), _LARGEST_PAGE))
    cast.enders.append(partial(load.end, door, user))
    return cast


def _mutation_cast(load: Load, door: MutationDoor, grpc: GrpcDoor) -> Cast:
    """Return bidders and readers by mutation sync, and one who reads the same by gRPC."""
    (user,) = load.history.canaries.values()
    cast = Cast(load)
    cast.writers += [partial(load.bid, door, user, f"mutation-{number}", _NOTE) for number in range(_BIDDERS)]
    for size in _PAGE_SIZES:
        reader = load.history.reader(f"mutation sync, pages of {size}", user)
        cast.readers.append(partial(load.page, door, reader, size))
    cast.readers.append(partial(load.page, grpc, load.history.reader(f"pages of {user}", user), _LARGEST_PAGE))
    cast.enders.append(partial(load.end_by_bid, door, user, _NOTE))
    return cast


async def _finish(load: Load, door: GrpcDoor, start: str) -> None:
    """Read everything anew, use some tokens again, and try the tokens of others."""
    users = list(load.history.canaries.values())

    async def again(reader: Reader, token: str) -> Reader:
        rest = Reader(f"{reader.name} again", reader.user, reader.types)
        async for message in door.follow(reader, token, live=False):
            rest.entries += [entry for entry in message.entries if entry.entity.user in users]
        return rest

    load.history.log = await again(Reader("log"), start)
    await read_again(load.history, again)
    load.history.readers.append(load.history.log)
    paged = [reader for reader in load.history.readers if reader.user and reader.marks]
    for reader in paged:
        other = next(user for user in users if user != reader.user)
        await load.trespass(door, reader, other)


async def _end_of_log(door: GrpcDoor) -> str:
    """Return a token of all users from which nothing is there yet."""
    async with aclosing(door.follow(Reader("start"), "")) as stream:
        return (await anext(stream)).token


async def _clean(door: GrpcDoor, users: Sequence[str]) -> str:
    """Delete what the run created; returns what is left, in words."""
    try:
        for user in users:
            async for entities in _alive(door, user):
                deletes = [delete(entity.entity_type, entity.entity_id) for entity in entities]
                await door.push(user, deletes, str(uuid.uuid4()))
    except (Unanswered, Throttled, Refused) as error:
        return f"could not delete all that they created ({error})"
    return "all that they created is deleted; its tombstones stay in the log"


async def _alive(door: GrpcDoor, user: str) -> AsyncIterator[list[Entity]]:
    """Yield what there is of a user, page by page, up to where the log ends now."""
    reader, token, complete = Reader("cleaning", user), "", False
    while not complete:
        page = await door.page(reader, token, _LARGEST_PAGE)
        token, complete = page.token, page.complete
        alive = [entry.entity for entry in page.entries if entry.content is not None]
        if alive:
            yield alive
