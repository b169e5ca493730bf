"""A token that is not to the byte one of the reader's own is refused, at every door; nothing is ever skipped (T1)."""

import asyncio
import base64
import binascii
import math
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import pytest
from grpc import aio
from sqlalchemy import select

from bridge.bridged import bridged_on
from harness import Project, Server, change, make_project, opened_engines, settings_for, started_server
from syncline_server.store.tables import checkpoint_keys, projects
from syncline_server.sync.checkpoint import CheckpointCodec
from syncline_server.sync.circle import Checkpoint
from tokens.doors import Doors, Outcome
from tokens.mutations import spoilt

COUNT = int(os.environ.get("COUNT", "2400"))
"""Mutations over both databases; `make tokens COUNT=…` sets it."""
SEED = int(os.environ.get("SEED", "1"))
AT_ONCE = 16
_PLAIN_CHARACTERS = 56
NOTES = tuple(f"n{number:02}" for number in range(20))


@dataclass(frozen=True)
class World:
    """One reader's tokens and those of others."""

    doors: Doors
    after: dict[bytes, Sequence[str]]
    """What is left to read after each token of the reader's own."""
    lost: bytes
    """A token of a history that is not this one's."""
    of_others: Sequence[bytes]
    key_id: int
    """Of the one key of tokens."""
    head_ms: int
    times_ms: Sequence[int]

    def is_lost(self, token: bytes) -> bool:
        """Tell whether a token is of a history that is over, or of another database: its key is not known here."""
        try:
            raw = base64.b64decode(token, altchars=b"-_", validate=True)
        except binascii.Error:
            return False
        return token == self.lost or (raw[0] == (1 if len(token) == _PLAIN_CHARACTERS else 2) and raw[1] != self.key_id)

    @property
    def all_tokens(self) -> Sequence[bytes]:
        return [*self.after, self.lost, *self.of_others]


async def lost_token(server: Server, user: str) -> bytes:
    """Sign a token of an unknown epoch with the database's own key."""
    found = select(projects.c.id).where(projects.c.name == server.project.name)
    async with opened_engines(server.settings) as engines, engines.reading.connect() as connection:
        key = (await connection.execute(select(checkpoint_keys))).one()
        project_id = (await connection.execute(found)).scalar_one()
    codec = CheckpointCodec({key.id: key.secret})
    return codec.encode(codec.scope_tag(project_id, user), Checkpoint(7, 5, 5)).encode()


async def tokens_on_the_way(server: Server, user: str) -> dict[bytes, Sequence[str]]:
    """Write notes and return the token after each, with what is left to read there."""
    after: dict[bytes, Sequence[str]] = {}
    async with server.client(user, device="writer") as writer:
        await writer.push(*(change("create", name, {"body": user}, entity_type="NOTE") for name in NOTES))
    async with server.client(user, device="watcher") as watcher:
        token = ""
        for position in range(len(NOTES)):
            page = await watcher.pull("NOTE", checkpoint_token=token, page_size=1)
            token = page.checkpoint_token
            after[token.encode()] = NOTES[position + 1 :]
    return after


@asynccontextmanager
async def world_on(database_url: str) -> AsyncIterator[World]:
    settings = settings_for(database_url)
    one, other = await make_project(settings, "one"), await make_project(settings, "other")
    async with started_server(settings, one) as server, bridged_on(server) as bridged:
        of_others = [*await tokens_on_the_way(server, "eve"), *await tokens_on_the_way(_on(server, other), "ada")]
        async with server.service() as service:
            of_others += [message.checkpoint_token.encode() async for message in service.stream(all_users=True)]
        after = await tokens_on_the_way(server, "ada")
        session = one.token("ada", device="reader")
        async with (
            server.client("ada", device="reader") as client,
            aio.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel,
        ):
            everything = await client.pull("NOTE")
            key_id = base64.urlsafe_b64decode(everything.checkpoint_token)[1]
            yield World(
                Doors(client, channel, bridged, session),
                after,
                await lost_token(server, "ada"),
                of_others,
                key_id,
                everything.head_ms,
                [one.revision // 1000 for one in everything.changes],
            )


def _on(server: Server, project: Project) -> Server:
    return Server(server.address, project, server.settings)


def check(world: World, door: str, token: bytes, outcome: Outcome) -> str:
    """Check what came of a token; return the kind of outcome."""
    _, dot, position = token.rpartition(b".") if door.endswith("cursor") else (b"", b"", token)
    if position in world.after and not outcome.refused:
        assert list(outcome.ids) == list(world.after[position])
        return "a true token"
    if outcome.refused:
        assert position not in world.after or dot, "a true token was refused"
        return f"refused, {outcome.refused}"
    # Whatever else is taken is a history that is over: everything comes again.
    assert world.is_lost(position), f"taken: {token!r}"
    assert list(outcome.ids) == list(NOTES)
    return "from the start"


@pytest.mark.timeout(240 + COUNT // 100)
async def test_a_mutated_token_is_refused_or_true(database_url: str):
    draw = random.Random(SEED)
    seen: Counter[str] = Counter()
    async with world_on(database_url) as world:
        doors = list(world.doors.all().items())
        jobs = ((*doors[number % len(doors)], _drawn(draw, world)) for number in range(COUNT // 2))

        async def work() -> None:
            for door, send, token in jobs:
                try:
                    seen[f"{door:24} {check(world, door, token, await send(token))}"] += 1
                except Exception as error:
                    raise AssertionError(f"{door}, seed {SEED}, token {token!r}") from error

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
    print(
        f"\n{database_url.partition(':')[0]}, seed {SEED}:",
        *(f"{n:8} {kind}" for kind, n in sorted(seen.items())),
        sep="\n",
    )
    assert sum(seen.values()) == COUNT // 2
    assert {kind.strip() for kind in seen if "a true token" in kind}, (
        "no true token was among them: nothing is compared"
    )


def _drawn(draw: random.Random, world: World) -> bytes:
    while not (token := spoilt(draw, list(world.after), world.all_tokens)):
        pass  # no token at all is another thing: from the start
    return token


@pytest.mark.timeout(240 + COUNT // 100)
async def test_a_mutated_time_is_refused_or_means_what_it_says(database_url: str):
    """Mutation sync has times in place of tokens."""
    draw = random.Random(SEED)
    async with world_on(database_url) as world:
        for _ in range(COUNT // 40):
            text = _spoilt_time(draw, world)
            query = f"mutationsSince={_quoted(text)}&limit=1000"
            read = await world.doors.mutations(query)
            assert read.status_code in {200, 422}, (text, read.text)
            if read.status_code == 200:
                since = Decimal(text.strip())
                everything = since < 1 or since >= world.head_ms + 1
                expected = [
                    name for name, at in zip(NOTES, world.times_ms, strict=True) if everything or at > math.floor(since)
                ]
                assert [one["resourceId"] for one in read.json()["data"]["mutations"]] == expected, text
            pushed = await world.doors.mutations(f"lastMutationAt={_quoted(text)}", '{"mutations": []}')
            assert pushed.status_code in {200, 409, 422}, (text, pushed.text)
            assert (pushed.status_code == 200) == (_number(text) == world.head_ms), text


def _spoilt_time(draw: random.Random, world: World) -> str:
    text = str(draw.choice((world.head_ms, world.head_ms - 1, draw.choice(world.times_ms), 0, -1)))
    at = draw.randrange(len(text) + 1)
    junk = ("", "0", "9", ".", ".0", ".9", "e0", "E1", "-", "+", " ", "\x00", "\u0661", "\uff11", "_", "x", "1" * 30)
    spoilt_at = text[:at] + draw.choice(junk) + text[at + draw.randrange(2) :]
    return draw.choice((spoilt_at, spoilt_at, text, text[:at], text * 9, f"{text}.5", f"{text}e99", "NaN", "Infinity"))


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _number(text: str) -> Decimal | None:
    if "_" in text or not text.isascii():
        return None  # Python takes these for numbers
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        return None
