"""The benchmark works: every kind of row comes out, and says what it is held against."""

from typing import Any

import pytest

from bench import __main__ as command
from bench import table
from bench.measure import Measured, Row, Wanted
from bench.plan import QUICK

# Each kind of row, floor and load once.
WITH_TOOLS = (
    "push-100-postgresql",
    "projects-sqlite",
    "stream-sqlite",
    "page-http",
    "delta-postgresql",
    "live-users",
    "live-projects-sqlite",
)
WITH_PYTHON = ("push-1-sqlite", "push-1-http")


@pytest.mark.timeout(600)  # it starts a dozen processes
async def test_every_row_of_the_benchmark_is_measured(postgres: Any):
    rows = await command.run(QUICK, WITH_TOOLS, postgres=postgres)
    rows += await command.run(QUICK, WITH_PYTHON, "python")
    shown = table.as_json(rows, minutes=0, busy=0)["rows"]
    assert len(shown) == 11
    assert all(row["figures"] and row["median"] >= 0 and row["wanted"] for row in shown)
    assert all(table.lines(row) for row in rows)


def test_a_wanted_figure_is_met_or_not():
    subject, floor = [Measured(8, 90), Measured(7, 110), Measured(6, 100)], [Measured(10, 50)] * 3
    slow = Row("push", "floor", Wanted(0.75, "at least"), [0.8, 0.7, 0.6], "calls/s", subject, floor, "h2load")
    verdict = "    0.70  [0.60–0.80] × floor  (wanted ≥ 0.75: NOT MET)"
    assert table.lines(slow) == [
        "push",
        f"{verdict}; 7 of 10 calls/s, 100 of 50 µs of processor time each; load: h2load",
    ]
    grown = Row("full pull", "", Wanted(64, "at most"), [12.5], "MiB")
    assert table.lines(grown) == ["full pull", "    12.50 MiB  (wanted ≤ 64: met)"]
