"""What a run found: a table for people, JSON for machines."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.measure import Row


def lines(row: Row) -> list[str]:
    """Return a row of the table."""
    figure = f"{row.median:.2f}"
    if len(row.figures) > 1:
        figure += f"  [{min(row.figures):.2f}–{max(row.figures):.2f}]"
    if not row.floors:
        return [row.work, f"    {figure} {row.unit}{_verdict(row)}"]
    rates = f"{statistics.median(row.subject):,.0f} of {statistics.median(row.floors):,.0f} {row.unit}"
    return [row.work, f"    {figure} × {row.floor}{_verdict(row)}; {rates}; load: {row.load}"]


def _verdict(row: Row) -> str:
    if row.wanted is None:
        return ""
    return f"  (wanted {row.wanted}: {'met' if row.wanted.is_met_by(row.median) else 'NOT MET'})"


def as_json(rows: Sequence[Row], minutes: float, busy: float) -> dict[str, Any]:
    """Return a run as JSON."""
    return {
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "processes_a_core_before": round(busy, 2),
        "minutes": round(minutes, 2),
        "rows": [
            {
                "work": row.work,
                "floor": row.floor,
                "wanted": None if row.wanted is None else {"sense": row.wanted.sense, "figure": row.wanted.figure},
                "met": row.wanted is None or row.wanted.is_met_by(row.median),
                "median": row.median,
                "figures": list(row.figures),
                "unit": row.unit,
                "subject": list(row.subject),
                "floors": list(row.floors),
                "load": row.load,
            }
            for row in rows
        ],
    }


def save(path: Path, found: dict[str, Any]) -> None:
    """Write a run to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
