"""How cost grows: `make bench-scale`, or `python -m bench.scale`."""

import argparse
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

# gRPC reads this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import asyncio

from bench import curves, load, plots
from bench.curves import Chart
from bench.plan import QUICK, SCALE, Bench, Plan
from bench.processes import Databases, interruptible
from bench.stores import Stores
from syncline_server.logs import configure_logs

_MOST_SECONDS: Final = 15 * 60
_CHARTS: Final[dict[str, tuple[Callable[[Bench, Sequence[int]], Awaitable[Chart]], Sequence[int], Sequence[int]]]] = {
    "store": (curves.over_store, (1_000, 10_000, 100_000, 1_000_000), (1_000, 2_000)),
    "batch": (curves.over_batch, (1, 10, 100, 1_000), (1, 100)),
    "users": (curves.over_users, (1, 10, 100, 1_000), (1, 20)),
    "streams": (curves.over_streams, (1, 10, 100, 1_000, 2_000), (1, 10)),
}
"""Each with its amounts, and those that only show that it works."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.scale", description="Measure how Syncline's cost grows.")
    parser.add_argument("--quick", action="store_const", const=QUICK, dest="plan", help="only to see that it works")
    parser.add_argument("--only", choices=_CHARTS, action="append", help="these charts")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "results", help="where the charts go")
    parser.set_defaults(plan=SCALE)
    return parser.parse_args()


async def run(plan: Plan, only: Sequence[str], folder: Path) -> None:
    """Measure and draw charts. Raises TimeoutError after fifteen minutes; the charts until then are there."""
    folder.mkdir(parents=True, exist_ok=True)
    async with asyncio.timeout(_MOST_SECONDS), Databases() as databases:
        bench = Bench(plan, databases, Stores(databases), load.grpc_tool(), load.http_tool())
        for name in only:
            over, amounts, few_amounts = _CHARTS[name]
            chart = await over(bench, few_amounts if plan is QUICK else amounts)
            (folder / f"scale-{name}.json").write_text(json.dumps(asdict(chart), indent=1) + "\n", encoding="utf-8")
            print(plots.draw(chart, folder), flush=True)


if __name__ == "__main__":
    arguments = _arguments()
    configure_logs("error", "console")
    interruptible(run(arguments.plan, arguments.only or list(_CHARTS), arguments.folder))
