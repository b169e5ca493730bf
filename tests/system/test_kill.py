"""A server that is killed or stopped under load loses nothing it has acknowledged, and applies nothing twice.

`make kills KILLS=…` kills it more often; see docs/reliability.md.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from grpc import aio

from harness import Client, Server, change, failure, make_project, settings_for
from ports import free_address
from syncline.v1 import sync_pb2
from syncline_verify.checks import Problem, check, summary
from syncline_verify.history import Mark, Reader, Recovery, Reread, RunHistory
from system.load import (
    END,
    Answers,
    Workload,
    acknowledge,
    end_history,
    entry_of,
    page_to_end,
    push_until_answered,
    read_from,
    stream_to_end,
)
from system.processes import Commands, Process, commands_in

SEED = 20260801
KILLS = int(os.environ.get("KILLS", "6"))
TOKENS = 50
"""Used once more, of those that readers had when the server was killed."""
USERS = ("ada", "bob")
WRITERS = 8
PAGE = 20
LONGEST_LIFE_SECONDS = 0.7
LOAD_SECONDS = 120 + 15 * KILLS
DRAIN_SECONDS = 10
"""The default of the server; whoever waited for open streams would take as long."""


@dataclass
class Drill:
    """Writers and readers that outlive the server, and what they saw."""

    server: Server
    commands: Commands
    history: RunHistory = field(default_factory=RunHistory)
    answers: Answers = field(default_factory=Answers)
    at_kills: list[tuple[Reader, Mark]] = field(default_factory=list)
    """The last token of every reader at every kill."""
    acknowledged_at_kill: int = 0
    """How many versions, at the last of them."""
    over: bool = False
    written: bool = False

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Process]:
        arguments = ("--database", self.server.settings.database or "", "--grpc-address", self.server.address)
        async with self.commands.running("server", *arguments) as process:
            await process.ready(self.server.address)
            yield process

    @asynccontextmanager
    async def load(self) -> AsyncIterator[None]:
        """Write and read for the time of the block, then come to an end."""
        try:
            async with asyncio.timeout(LOAD_SECONDS), self._load():
                yield
        except TimeoutError:
            waiting = [reader.name for reader in self.history.readers if not has_ended(reader)]
            raise AssertionError(f"writers done: {self.written}; waiting for their end: {waiting}") from None

    @asynccontextmanager
    async def _load(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as readers:
            clients = {user: await stack.enter_async_context(self.server.client(user)) for user in USERS}
            service = await stack.enter_async_context(self.server.service())
            for user, client in clients.items():
                pages, stream = (
                    self.history.reader(f"pages of {user}", user),
                    self.history.reader(f"stream of {user}", user),
                )
                readers.create_task(page_to_end(client, pages, PAGE))
                readers.create_task(stream_to_end(client, stream, [user]))
            readers.create_task(stream_to_end(service, self.history.reader("firehose"), USERS))
            async with asyncio.TaskGroup() as writers:
                for number in range(WRITERS):
                    writers.create_task(self._write(f"w{number}", USERS[number % len(USERS)]))
                yield
                self.over = True
            self.written = True
            for user, client in clients.items():
                await end_history(client, self.history, user)

    def note_tokens(self) -> None:
        self.acknowledged_at_kill = len(self.history.acknowledged)
        self.at_kills += [(reader, reader.marks[-1]) for reader in self.history.readers if reader.marks]

    async def _write(self, name: str, user: str) -> None:
        workload = Workload(SEED, name, (name,))
        chained = 0
        async with self.server.client(user, device=name) as client:
            while not self.over:
                # Each link names the one before, so a retry that were not recognised would be a conflict.
                link = change("update", f"{name}-chain", {"created": workload.created}, base=chained)
                batch = [*workload.batch(), link]
                answer = await push_until_answered(client, sync_pb2.PushRequest(changes=batch), self.answers)
                acknowledge(self.history, user, batch, answer)
                chained = answer.results[-1].change.revision

    async def problems(self) -> list[Problem]:
        """Check the history, after reading again from every token that a reader had when the server was killed."""
        log = self.history.log = Reader("log")
        async with AsyncExitStack() as stack:
            service = await stack.enter_async_context(self.server.service())
            log.entries = (await read_from(service, log, "")).entries
            at_kills = random.Random(SEED).sample(self.at_kills, min(TOKENS, len(self.at_kills)))
            for reader, mark in at_kills:
                client = self.server.client(reader.user) if reader.user else self.server.service()
                rest = await read_from(await stack.enter_async_context(client), reader, mark.token)
                self.history.rereads.append(Reread(reader, mark, rest.entries))
        self.history.recoveries.append(Recovery(self.acknowledged_at_kill, log.entries))
        return check(self.history)


@pytest.fixture
async def drill(database_url: str, tmp_path: Path) -> Drill:
    settings = settings_for(database_url)
    server = Server(free_address(), await make_project(settings), settings)
    return Drill(server, commands_in(tmp_path))


@pytest.mark.timeout(2 * LOAD_SECONDS)
async def test_sigkill_under_load_loses_nothing_acknowledged_and_retries_are_applied_once(drill: Drill):
    moments = random.Random(SEED)
    async with AsyncExitStack() as last:
        async with drill.load():
            for _ in range(KILLS):
                async with drill.serving() as process:
                    await asyncio.sleep(moments.uniform(0.1, LONGEST_LIFE_SECONDS))
                    await process.kill()
                drill.note_tokens()
            await last.enter_async_context(drill.serving())
        answers = drill.answers
        pushed = len(drill.history.acknowledged)
        print(f"{KILLS} kills, {pushed} changes, {answers.retried} retries, {answers.replayed} replayed")
        assert answers.retried >= KILLS
        assert not answers.conflicts
        problems = await drill.problems()
        assert not problems, summary(problems)
        assert not await written_twice(drill)


async def test_sigterm_under_load_ends_streams_with_a_token_and_does_not_wait_for_them(drill: Drill):
    async with AsyncExitStack() as last:
        async with drill.load():
            async with drill.serving() as process, drill.server.client() as client:
                streams = [asyncio.create_task(last_words(client)) for _ in range(3)]
                await asyncio.sleep(LONGEST_LIFE_SECONDS)
                started = time.monotonic()
                ended = await process.ended(signal.SIGTERM)
                seconds = time.monotonic() - started
                farewells = await asyncio.gather(*streams)
            print(f"ended in {seconds:.2f} s")
            drill.note_tokens()
            await last.enter_async_context(drill.serving())
        assert ended.code == 0, str(ended)
        assert seconds < DRAIN_SECONDS, str(ended)
        assert "Traceback" not in ended.err, ended.err
        for reader, mark in farewells:
            drill.at_kills.append((reader, mark))
        problems = await drill.problems()
        assert not problems, summary(problems)
        assert not drill.answers.conflicts


def has_ended(reader: Reader) -> bool:
    return bool(reader.entries) and reader.entries[-1].entity.entity_type == END


async def last_words(client: Client) -> tuple[Reader, Mark]:
    """Follow until the server goes; return what was read, and the token of the error."""
    reader = Reader("a stream that was drained", "ada")
    with pytest.raises(aio.AioRpcError) as caught:
        await follow(client, reader)
    said = failure(caught.value)
    assert (said.code, said.reason) == ("UNAVAILABLE", "DRAINING")
    assert said.retry_seconds is not None
    return reader, Mark(said.metadata["checkpoint_token"], len(reader.entries))


async def follow(client: Client, reader: Reader) -> None:
    async for message in client.stream(follow=True):
        reader.entries += [entry_of(one.user_id, one, one.data) for one in message.changes]


async def written_twice(drill: Drill) -> list[sync_pb2.Change]:
    """Return the creates that were written again over themselves."""
    once = {(entity.user, entity.entity_id) for entity in drill.history.once}
    async with drill.server.service() as service:
        return [
            one
            async for message in service.stream(all_users=True)
            for one in message.changes
            if (one.user_id, one.entity_id) in once and one.revision != one.created_revision
        ]
