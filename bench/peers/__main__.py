"""Syncline beside PocketBase, and beside Parse Server on the same PostgreSQL: `make bench-peers`."""

import os
from collections.abc import Callable
from typing import Final

os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from bench import load, table
from bench.load import Http
from bench.measure import Row, Wanted, ratio_row
from bench.peers import ours, parse_server, pocketbase
from bench.peers.peer import BATCH, Endpoints, Peer
from bench.peers.places import PeerMissing
from bench.plan import DEFAULT, Bench
from bench.processes import Databases, interruptible
from bench.rates import calls_per_second, loading
from bench.stores import Stores
from syncline_server.logs import configure_logs

Calls = Callable[[Endpoints], Http]
_PUSHES: Final = "push of 1 change, HTTP, {} connections"
# The work, its requests, how many entities a request has, and what is wanted beside PocketBase and beside Parse Server.
_ROWS: Final[tuple[tuple[str, Calls, int, float, float], ...]] = (
    (_PUSHES.format(64), lambda at: at.pushes(64), 1, 1.4, 3.0),
    (_PUSHES.format(16), lambda at: at.pushes(16), 1, 1.0, 3.0),
    (f"push of {BATCH} changes, HTTP, 4 connections", lambda at: at.batches(4), BATCH, 4.0, 3.0),
    ("page of 100, HTTP, 8 connections", lambda at: at.pages(8), 1, 1.7, 3.0),
)


async def run() -> None:
    """Measure all rows, and print each as it is done."""
    async with Databases() as databases:
        tool = load.http_tool()
        bench = Bench(DEFAULT, databases, Stores(databases), load.grpc_tool(), tool)
        try:
            async with pocketbase.running(databases.folder) as peer:
                await _beside(bench, peer, "sqlite")
        except PeerMissing as missing:
            print(f"skipped: {missing}", flush=True)
        try:
            project = await databases.project("postgresql")
            async with parse_server.running(project.database_url) as peer:
                await _beside(bench, peer, "postgresql")
        except PeerMissing as missing:
            print(f"skipped: {missing}", flush=True)


async def _beside(bench: Bench, peer: Peer, kind: str) -> None:
    project = await bench.databases.project(kind)
    async with ours.running(project) as subject:
        for work, calls, entities, beside_pocketbase, beside_parse in _ROWS:
            wanted = Wanted(beside_pocketbase if kind == "sqlite" else beside_parse, "at least")
            row = await _row(bench, f"{work}, {kind}", calls, entities, wanted, peer, subject)
            print("\n".join(table.lines(row)), flush=True)


async def _row(bench: Bench, work: str, calls: Calls, entities: int, wanted: Wanted, peer: Peer, subject: Peer) -> Row:
    unit = "entities/s" if entities > 1 else "calls/s"
    measures = [
        await calls_per_second(
            bench, loading(bench, calls(one.endpoints), one.process, *one.process.children()), entities
        )
        for one in (peer, subject)
    ]
    return await ratio_row(work, peer.name, wanted, unit, bench.http_tool, bench.plan.rounds, *measures)


def main() -> None:
    configure_logs("error", "console")
    interruptible(run())


if __name__ == "__main__":
    main()
