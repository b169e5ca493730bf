"""What runs on the event loop's own thread in SQLite: what is small, by rows and by bytes."""

import threading
from typing import Any

import pytest

from storage import Log, log_in
from syncline_server.store import schema
from syncline_server.store.sqlite.engine import SqliteEngines


class Threads:
    """Notes of each statement of the log whether the loop's thread ran it."""

    def __init__(self) -> None:
        self._loop = threading.get_ident()
        self._seen: list[tuple[str, bool]] = []

    async def watch(self, engines: SqliteEngines) -> None:
        await engines.log.writer.run(self._trace, 1)
        for is_large in (False, True):
            await engines.log.readers.run(self._trace, is_large=is_large)

    def on_loop(self, text: str) -> list[bool]:
        """Return of each statement with this text, since the last call, whether it ran on the loop."""
        found = [here for statement, here in self._seen if text in statement]
        self._seen.clear()
        return found

    def _trace(self, connection: Any) -> None:
        connection.set_trace_callback(lambda text: self._seen.append((text, threading.get_ident() == self._loop)))


@pytest.fixture
async def log(bare_sqlite: SqliteEngines) -> Log:
    await schema.migrate(bare_sqlite)
    return await log_in(bare_sqlite, "threads")


@pytest.fixture
async def threads(log: Log) -> Threads:
    await log.write(log.version("first", 1))
    await log.page()
    watching = Threads()
    assert isinstance(log.engines, SqliteEngines)
    await watching.watch(log.engines)
    return watching


@pytest.mark.parametrize(
    ("rows", "size_bytes", "on_loop"),
    [(1, 10, True), (100, 10, True), (200, 10, False), (1, 300_000, False), (20, 20_000, False), (10, 20_000, True)],
)
async def test_writes_are_on_the_loop_while_they_are_small(
    log: Log, threads: Threads, rows: int, size_bytes: int, on_loop: bool
):
    data = '{"x":"' + "x" * size_bytes + '"}'
    await log.write(*[log.version(f"e{at}", 10 + at, data=data) for at in range(rows)])
    assert set(threads.on_loop("INSERT INTO entities")) == {on_loop}


@pytest.mark.parametrize(
    ("rows", "size_bytes", "on_loop"), [(1, 10, True), (100, 1_000, True), (8, 250_000, False), (100, 20_000, False)]
)
async def test_pages_and_look_ups_are_read_on_the_loop_while_they_are_small(
    log: Log, threads: Threads, rows: int, size_bytes: int, on_loop: bool
):
    data = '{"x":"' + "x" * size_bytes + '"}'
    versions = [log.version(f"e{at}", 10 + at, data=data) for at in range(rows)]
    await log.write(*versions)
    threads.on_loop("")
    page = await log.page(1)
    assert page.count > 0
    assert threads.on_loop("AS changes")[-1] is on_loop
    async with log.store.writing() as transaction:
        await transaction.large_data(log.project, {one.key: one.size_bytes for one in versions})
    assert threads.on_loop("SELECT entity_key, data") == [on_loop]
