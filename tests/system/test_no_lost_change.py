"""Nothing acknowledged is ever lost or skipped (design.md L1): many writers, tight readers, streams."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from harness import Server, settings_for, started_server
from syncline_verify.checks import Kind, Problem, check, monotone_tokens, summary
from syncline_verify.history import Mark, Reader, Reread, RunHistory
from system.load import END, Workload, acknowledge, end_history, page_to_end, read_from, stream_to_end
from system.unlocked import UnlockedPusher

SEED = 20260801
USERS = ("ada", "bob", "cyd")
WRITERS = 16
CREATES = 1_300
"""How many entities each writer creates; about a fifth as many changes touch shared ones."""
PAGES = (11, 60, 300)
"""One for each user: from one that cuts every page and lags behind, to one that is always at the head."""
TYPED_PAGE = 40
KEEPING_UP_PAGES = (200, 300, 400)
"""A reader that lags far behind reads what was late in its time, and misses nothing."""
TOKENS_READ_AGAIN = 3
"""How many tokens of each reader are used again."""


@dataclass
class Run:
    """One load on one server, from its start to the last change read."""

    server: Server
    creates: int
    page_sizes: Sequence[int]
    history: RunHistory

    async def go(self) -> float:
        """Return the seconds that the writers took."""
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as readers:
            for user, page_size in zip(USERS, self.page_sizes, strict=True):
                client = await stack.enter_async_context(self.server.client(user))
                tight = self.history.reader(f"pages of {user}", user)
                readers.create_task(page_to_end(client, tight, page_size))
                follower = self.history.reader(f"stream of {user}", user)
                readers.create_task(stream_to_end(client, follower, [user]))
            typed = self.history.reader(f"pages of {USERS[0]}'s notes", USERS[0], "note", END)
            readers.create_task(page_to_end(await stack.enter_async_context(self.server.client()), typed, TYPED_PAGE))
            service = await stack.enter_async_context(self.server.service())
            readers.create_task(stream_to_end(service, self.history.reader("firehose"), USERS))
            started = time.monotonic()
            async with asyncio.TaskGroup() as writers:
                for number in range(WRITERS):
                    writers.create_task(self._write(f"w{number}", USERS[number % len(USERS)]))
            seconds = time.monotonic() - started
            for user in USERS:
                await end_history(await stack.enter_async_context(self.server.client(user)), self.history, user)
            return seconds

    async def _write(self, name: str, user: str) -> None:
        workload = Workload(SEED, name, (name, "shared"))
        async with self.server.client(user, device=name) as client:
            while workload.created < self.creates:
                batch = workload.batch()
                acknowledge(self.history, user, batch, await client.push(*batch))


@asynccontextmanager
async def finished_run(server: Server, creates: int, page_sizes: Sequence[int]) -> AsyncIterator[Run]:
    run = Run(server, creates, page_sizes, RunHistory())
    async with asyncio.timeout(150):
        seconds = await run.go()
    acknowledged = len(run.history.acknowledged)
    print(f"{acknowledged} changes acknowledged in {seconds:.1f} s, {acknowledged / seconds:.0f} a second")
    yield run


async def test_every_reader_has_each_acknowledged_change_once_and_in_order(server: Server):
    async with finished_run(server, CREATES, PAGES) as run:
        assert len(run.history.once) >= 20_000
        problems = check(run.history)
        assert not problems, summary(problems)
        problems = await problems_of_tokens(run)
        assert not problems, summary(problems)


async def test_the_checks_find_what_is_lost_when_revisions_are_drawn_outside_the_lock(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("syncline_server.app.Pusher", UnlockedPusher)
    async with (
        started_server(settings_for(database_url)) as server,
        finished_run(server, CREATES // 5, KEEPING_UP_PAGES) as run,
    ):
        found = check(run.history)
        print(summary(found))
        losers = {problem.reader for problem in found if problem.kind is Kind.NO_LOST_CHANGE}
        assert {name for name in losers if name.startswith("pages")}
        assert {name for name in losers if name.startswith(("stream", "firehose"))}


async def problems_of_tokens(run: Run) -> list[Problem]:
    """Read again from some of the tokens that every reader got."""
    log = run.history.log = Reader("log")
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(run.server.service())
        clients = {user: await stack.enter_async_context(run.server.client(user)) for user in USERS}
        log.entries = (await read_from(service, log, "")).entries
        for reader in run.history.readers:
            client = clients[reader.user] if reader.user else service
            for mark in some(reader.marks):
                rest = await read_from(client, reader, mark.token)
                run.history.rereads.append(Reread(reader, mark, rest.entries))
    return monotone_tokens(run.history).problems


def some(marks: list[Mark]) -> list[Mark]:
    return marks[:: max(1, len(marks) // TOKENS_READ_AGAIN)]
