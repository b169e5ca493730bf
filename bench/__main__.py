"""The benchmark: `make bench`, or `python -m bench`."""

import argparse
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

# gRPC reads this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from bench import http_rows, live, load, many_rows, push_rows, read_rows, table
from bench.measure import Row
from bench.plan import DEFAULT, FULL, QUICK, Bench, Plan
from bench.processes import Databases, interruptible
from bench.stores import Stores
from syncline_server.logs import configure_logs

_BUSY: Final = 0.5
RESULTS: Final = Path(__file__).parent / "results"
ROWS: Final[dict[str, Callable[[Bench], Awaitable[list[Row]]]]] = {
    "push-1-sqlite": partial(push_rows.push_one, kind="sqlite"),
    "push-1-postgresql": partial(push_rows.push_one, kind="postgresql"),
    "push-100-sqlite": partial(push_rows.push_many, kind="sqlite"),
    "push-100-postgresql": partial(push_rows.push_many, kind="postgresql"),
    "one-user-sqlite": partial(many_rows.one_user, kind="sqlite"),
    "one-user-postgresql": partial(many_rows.one_user, kind="postgresql"),
    "projects-sqlite": partial(many_rows.many_projects, kind="sqlite"),
    "projects-postgresql": partial(many_rows.many_projects, kind="postgresql"),
    "stream-sqlite": partial(read_rows.stream, kind="sqlite"),
    "stream-postgresql": partial(read_rows.stream, kind="postgresql"),
    "page-grpc-sqlite": partial(read_rows.page, kind="sqlite"),
    "page-grpc-postgresql": partial(read_rows.page, kind="postgresql"),
    "page-http": http_rows.page,
    "page-rxdb": http_rows.page_rxdb,
    "push-1-http": http_rows.push_one,
    "delta-sqlite": partial(read_rows.delta, kind="sqlite"),
    "delta-postgresql": partial(read_rows.delta, kind="postgresql"),
    "live-users": live.idle_and_alone,
    "live-one-user": live.one_user,
    "live-projects-sqlite": partial(live.many_projects, kind="sqlite"),
    "live-projects-postgresql": partial(live.many_projects, kind="postgresql"),
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description="Measure Syncline beside what its parts cost.")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--full", action="store_const", const=FULL, dest="plan", help="1,000,000 changes a stream")
    amount.add_argument("--quick", action="store_const", const=QUICK, dest="plan", help="only to see that it works")
    parser.add_argument("--only", metavar="NAME", action="append", help=f"these rows, by prefix: {', '.join(ROWS)}")
    parser.add_argument("--load", choices=["python"], help="our own client even where h2load and wrk are installed")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where the JSON goes  [bench/results/…]")
    parser.set_defaults(plan=DEFAULT)
    return parser.parse_args()


async def run(
    plan: Plan, only: Sequence[str] | None = None, wanted_tool: str | None = None, postgres: Any = None
) -> list[Row]:
    """Measure the rows whose names begin so, and print each as it is done; see Databases for `postgres`."""
    rows: list[Row] = []
    async with Databases(postgres) as databases:
        bench = Bench(plan, databases, Stores(databases), load.grpc_tool(wanted_tool), load.http_tool(wanted_tool))
        for name, measure in ROWS.items():
            if only is None or name.startswith(tuple(only)):
                found = await measure(bench)
                print("\n".join(line for row in found for line in table.lines(row)), flush=True)
                rows += found
    return rows


def main() -> None:
    arguments = _arguments()
    configure_logs("error", "console")
    started_at = time.monotonic()
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)
    if busy > _BUSY:
        print(f"The machine is busy with other work ({busy:.1f} processes a core): the figures will mean little.")
    rows = interruptible(run(arguments.plan, arguments.only, arguments.load))
    minutes = (time.monotonic() - started_at) / 60
    path = arguments.json or RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    table.save(path, table.as_json(rows, minutes, busy))
    print(f"{minutes:.1f} minutes; {path}")


if __name__ == "__main__":
    main()
